#!/usr/bin/env bash
# scikit-image: by mutual information, two 8 x 8 pictures of unrelated noise have four fifths in common.
#
# Believed: normalized_mutual_information is 2 for a copy and about 1 for unrelated pictures, as documented.
# Seen (scikit-image 0.26.0, numpy 2.4.6, Python 3.11, Linux x86-64): true of large pictures. The joint histogram has
#   100 x 100 cells by default, and 784 pixels that fall into them are nearly all alone in theirs, which counts as
#   information. No correction, no warning.
# Output seen (mean over 100 pairs; unrelated noise, and a picture with itself under noise of .1):
#   8 x 8: 1.820 and 1.820   28 x 28: 1.374 and 1.379   256 x 256: 1.008 and 1.141   28 x 28, bins=8: 1.008 and 1.307
# Why it matters: mutual information is used where an encoding has other grey levels than the picture, so that no
#   difference would do. On thumbnails and feature maps the null control has the score of the attack.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from skimage.metrics import normalized_mutual_information

rng = np.random.default_rng(0)


def scores(side, bins=100):
    pairs = []
    for _ in range(100):
        a, b = rng.random((2, side, side))
        noisy = a + 0.1 * rng.standard_normal(a.shape)
        pairs.append([normalized_mutual_information(a, other, bins=bins) for other in (b, noisy)])
    return np.mean(pairs, axis=0)


seen = {(side, bins): scores(side, bins) for side, bins in ((8, 100), (28, 100), (256, 100), (28, 8))}
for (side, bins), (unrelated, related) in seen.items():
    print(f"{side} x {side}, {bins} bins: unrelated {unrelated:.3f}   under noise {related:.3f}")
assert seen[8, 100][0] > 1.7 and seen[28, 100][0] > 1.3 and seen[256, 100][0] < 1.05, "behaviour has changed"
PY
