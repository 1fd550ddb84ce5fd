#!/usr/bin/env bash
# scikit-image: registration sees no shift in smooth pictures, and calls an exact copy the worst of fits.
#
# Believed: phase_cross_correlation finds a shift of whole pixels; the error it returns is 0 for a copy and near 1 where
#   nothing fits.
# Seen (scikit-image 0.26.0, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): by default every frequency counts
#   alike. Of a smooth picture nearly all of them are what the border makes (a window of a larger scene, so that nothing
#   wraps round), and the border has not moved: the answer is 0. The error compares the peak of phases with the power
#   of the pictures, and is 1.000 for a copy. normalization=None finds the shift, and its errors mean what they say.
# Output seen (10 smooth scenes, windows of 64 x 64, 5 pixels apart; then a copy):
#   found: default 0 seven times, 1 or -1 three times, normalization=None 5 eight times, 4 twice
#   error of the copy: default 1.000, normalization=None 0.000
# Why it matters: whether encodings of an image were moved is what decides between an average and a blur. With the
#   default an attack is told that they lie on one another, and a test that waits for a small error never passes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

found, errors = {"phase": [], None: []}, {}
for seed in range(10):
    scene = gaussian_filter(np.random.default_rng(seed).random((80, 80)), 3)
    scene = (scene - scene.min()) / np.ptp(scene)
    for kind in found:
        shift, _, _ = phase_cross_correlation(scene[8:72, 8:72], scene[13:77, 8:72], normalization=kind)
        found[kind].append(int(shift[0]))
        errors[kind] = phase_cross_correlation(scene, scene, normalization=kind)[1]
default = phase_cross_correlation(scene, scene)[1]
print("found: phase", found["phase"], "  None", found[None], f"  error of a copy {default:.3f} {errors[None]:.3f}")
assert found["phase"].count(0) > 5 and found[None].count(5) > 5, "behaviour has changed"
assert default == errors["phase"] > 0.99 and errors[None] < 0.01, "behaviour has changed"
PY
