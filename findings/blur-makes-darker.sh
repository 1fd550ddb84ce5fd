#!/usr/bin/env bash
# SciPy: a Gaussian blur of an 8-bit picture is a level darker, and a second one another level.
#
# Believed: a blur keeps the mean brightness, up to rounding that goes both ways, as in OpenCV; a flat picture stays.
# Seen (scipy 1.17.1, opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11, Linux x86-64): gaussian_filter of
#   scipy.ndimage filters along one axis, cuts the fractions off, filters along the other and cuts them off again. Half
#   a level is lost each time. A flat picture does stay, so that a test on one shows nothing. uniform_filter does the
#   same.
# Output seen (change of the mean of 64 x 64 random bytes, in levels):
#   scipy, one blur -1.01, ten -10.0   uniform_filter -0.66   OpenCV, one -0.01, ten -0.02   scipy in float32, one 0.00
# Why it matters: an attack that compares blurred pictures, or a scheme that blurs, is off by a constant that no model
#   of it has: an encoding and its simulation differ by levels where the rounding would explain a fraction of one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scipy==1.17.1 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import cv2
import numpy as np
from scipy import ndimage

picture = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)


def change(blur, times=1, start=picture):
    blurred = start
    for _ in range(times):
        blurred = blur(blurred)
    return float(blurred.mean()) - float(start.mean())


def scipy_blur(pixels):
    return ndimage.gaussian_filter(pixels, 1.0)


def opencv_blur(pixels):
    return cv2.GaussianBlur(pixels, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT)


one, ten = change(scipy_blur), change(scipy_blur, 10)
uniform = change(lambda pixels: ndimage.uniform_filter(pixels, 3))
other, other_ten = change(opencv_blur), change(opencv_blur, 10)
real = change(scipy_blur, start=picture.astype(np.float32))
flat = scipy_blur(np.full((64, 64), 100, np.uint8))
print(f"scipy {one:.2f}, ten {ten:.1f}   uniform {uniform:.2f}   OpenCV {other:.2f}, ten {other_ten:.2f}")
print(f"scipy in float32 {real:.2f}")
assert one < -0.8 and ten < -6 and uniform < -0.5, "behaviour has changed"
assert abs(other) < 0.1 and abs(real) < 0.01 and (flat == 100).all(), "behaviour has changed"
PY
