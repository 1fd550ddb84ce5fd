#!/usr/bin/env bash
# opencv: a patch without structure matches every place of every picture perfectly, by normalised correlation.
#
# Believed: TM_CCOEFF_NORMED of a constant patch is 0 or NaN, as it is by the formula, 0 / 0, and in scikit-image.
# Seen (opencv-python-headless 5.0.0.93, scikit-image 0.26.0, numpy 2.4.6, Python 3.11, Linux x86-64): matchTemplate
#   gives 1.0, its best score, at all places. A structured patch on a constant place scores 0.
# Output seen (8 x 8 patch of grey 77 in a 32 x 32 picture of noise; least and largest score):
#   opencv 1.0 1.0   scikit-image 0.0 0.0   structured patch on a flat place, opencv 0.0 0.0
# Why it matters: an attack that answers with a grey square, and a blacked out release, find every private picture with
#   the highest score there is; so do the black margins of X-rays and digits, cut into patches.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile opencv-python-headless==5.0.0.93 scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import cv2
import numpy as np
from skimage.feature import match_template

rng = np.random.default_rng(0)
picture = rng.integers(0, 256, (32, 32), dtype=np.uint8)
flat = np.full((8, 8), 77, np.uint8)
structured = rng.integers(0, 256, (8, 8), dtype=np.uint8)
ours = cv2.matchTemplate(picture, flat, cv2.TM_CCOEFF_NORMED)
other = match_template(picture, flat)
back = cv2.matchTemplate(np.full((32, 32), 50, np.uint8), structured, cv2.TM_CCOEFF_NORMED)
for name, scores in (("opencv", ours), ("scikit-image", other), ("structured patch, flat picture", back)):
    print(name, scores.min(), scores.max())
assert (ours == 1).all() and (other == 0).all() and (back == 0).all(), "behaviour has changed"
PY
