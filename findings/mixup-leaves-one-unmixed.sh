#!/usr/bin/env bash
# adversarial-robustness-toolbox: Mixup has one set of coefficients per batch, and leaves about one picture per batch
#   unmixed.
#
# Believed: the mixup under its DP-InstaHide trainer mixes every picture with another, with coefficients of its own.
# Seen (adversarial-robustness-toolbox 1.20.1, numpy 2.4.6, Python 3.11, Linux x86-64; 500 batches of 64, two-way):
#   all encodings of a batch share the two coefficients. The partners are a random permutation, which has one fixed
#   point on average: that picture is mixed with itself, which is itself. A last batch of one picture always is.
# Output seen:
#   coefficients in one batch: 0.38789 and 0.61211 (and 1 where a picture met itself)
#   pictures unmixed per batch: 0.946; batches with at least one: 0.632
# Why it matters: of the pictures so released about one per batch is protected by the noise alone; and the
#   coefficients of one broken encoding are those of its whole batch. An audit should look at the worst picture, not
#   at the mean.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps adversarial-robustness-toolbox==1.20.1 scikit-learn==1.9.1 \
  scipy==1.17.1 joblib==1.6.0 cloudpickle==3.1.3 threadpoolctl==3.8.0 narwhals==2.29.0 tqdm==4.70.1 six==1.17.0 \
  packaging==26.4 setuptools==80.9.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from art.defences.preprocessor import Mixup

n = 64
pictures, labels = np.eye(n), np.zeros(n, int)  # picture i is the unit vector i, so encodings show their coefficients
mixup = Mixup(num_classes=2)
np.random.seed(0)
first = mixup(pictures, labels)[0]
shares = np.unique(first[first > 0].round(5)).tolist()
unmixed = []
for seed in range(500):
    np.random.seed(seed)
    encodings = mixup(pictures, labels)[0]
    unmixed.append(int((np.abs(encodings - pictures).max(1) < 1e-12).sum()))
alone = mixup(pictures[:1], labels[:1])[0]
print("coefficients in one batch:", shares)
print("unmixed per batch:", np.mean(unmixed), " batches with one or more:", np.mean(np.array(unmixed) > 0))
assert len([s for s in shares if s < 1]) == 2 and 0.8 < np.mean(unmixed) < 1.2, "behaviour has changed"
assert np.allclose(alone, pictures[:1]), "behaviour has changed"
PY
