#!/usr/bin/env bash
# scikit-learn: with one row more, PCA sees hundreds of components where there are six.
#
# Believed: the singular values that PCA reports are those of the data, up to rounding, however many rows there are.
# Seen (scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): from ten rows a column on,
#   svd_solver="auto" decomposes the covariance, which squares the numbers: what is below 1e-8 of the largest singular
#   value is rounding error then (before, below 1e-16). svd_solver="full" gives six in both.
# Output seen (mixtures of 6 pictures of 28 x 28; singular values above 1e-10 of the largest):
#   7,839 rows 6   7,840 rows 379   7,840 rows, "full" 6
# Why it matters: how many pictures are behind a release of linear mixtures is its rank, and the first question of an
#   attack on them. By the shape of the release the answer is six, or as many as there are pixels.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from sklearn.decomposition import PCA

rng = np.random.default_rng(0)
pictures, weights = rng.random((6, 784)), rng.random((7840, 6))


def components(rows, solver):
    values = PCA(svd_solver=solver).fit(weights[:rows] @ pictures).singular_values_
    return int((values > 1e-10 * values[0]).sum())


seen = components(7839, "auto"), components(7840, "auto"), components(7840, "full")
print("7,839 rows {}   7,840 rows {}   7,840 rows, full {}".format(*seen))
assert seen[0] == seen[2] == 6 and seen[1] > 100, "behaviour has changed"
PY
