#!/usr/bin/env bash
# diffprivlib: the private median of a thousand equal values is a uniform random number.
#
# Believed: the more values agree, the closer the private median is to them.
# Seen (diffprivlib 0.6.6, scikit-learn 1.5.2, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64; epsilon 1, bounds
#   0 and 1, 300 draws): for 1,000 values of .3 the answers fill the whole of [0, 1]. With a millionth of spread
#   added from value to value all 300 are .3005. Ties make the gaps between the values, from which the answer comes,
#   empty.
# Output seen:
#   all values .3:              0.001 to 0.987, mean 0.471
#   .3, .300001, .300002, ...:  0.300 to 0.301
# Why it matters: pixels have ties: paper, sky, the black border of an X-ray. A private brightness or per-block median
#   is useless there, and an audit that sees it unrelated to the picture would credit the privacy budget for it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps diffprivlib==0.6.6 scikit-learn==1.5.2 scipy==1.17.1 \
  joblib==1.6.0 cloudpickle==3.1.3 threadpoolctl==3.8.0 setuptools==80.9.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import warnings

warnings.simplefilter("ignore")

import numpy as np
from diffprivlib.tools import median


def medians(values):
    return np.array([median(values, epsilon=1.0, bounds=(0, 1), random_state=s) for s in range(300)])


equal = medians(np.full(1000, 0.3))
spread = medians(0.3 + 1e-6 * np.arange(1000))
print(f"all values .3: {equal.min():.3f} to {equal.max():.3f}, mean {equal.mean():.3f}")
print(f"spread by a millionth: {spread.min():.3f} to {spread.max():.3f}")
assert equal.min() < 0.05 and equal.max() > 0.95 and equal.std() > 0.2, "behaviour has changed"
assert 0.29 < spread.min() and spread.max() < 0.31, "behaviour has changed"
PY
