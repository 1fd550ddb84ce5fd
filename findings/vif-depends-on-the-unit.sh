#!/usr/bin/env bash
# sewar: VIF of the same two pictures is .2 in units of 0..255 and above 1 in units of 0..1.
#
# Believed: a similarity that is normalised so that an exact copy scores 1 does not depend on the unit of the pixels.
# Seen (sewar 0.4.10, numpy 2.4.6, Python 3.11, Linux x86-64): vifp adds a fixed noise variance of 2, meant for
#   0..255. On 0..1 a noisy copy scores better than the copy itself. sewar's SSIM, uqi and PSNR of the two are the
#   same.
# Output seen (28 x 28 x 3, smooth picture and noise of .1):
#   0..255: 0.211   0..1: 1.046   copy in 0..1: 1.000
# Why it matters: VIF is reported beside SSIM in comparisons of image encodings, most networks work in 0..1, and this
#   order of methods is decided by the unit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps sewar==0.4.10 scipy==1.17.1 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from sewar.full_ref import psnr, ssim, vifp

rng = np.random.default_rng(0)
picture = rng.random((28, 28)).cumsum(0).cumsum(1)
picture /= picture.max()
noisy = np.clip(picture + 0.1 * rng.standard_normal(picture.shape), 0, 1)
a, b = (np.stack([(v * 255).astype(np.uint8)] * 3, -1) for v in (picture, noisy))
bytes_, units, copy = vifp(a, b), vifp(a / 255, b / 255), vifp(a / 255, a / 255)
print(f"0..255: {bytes_:.3f}   0..1: {units:.3f}   copy in 0..1: {copy:.3f}")
assert abs(ssim(a, b)[0] - ssim(a / 255, b / 255)[0]) < 1e-6, "behaviour has changed"
assert abs(psnr(a, b) - psnr(a / 255, b / 255)) < 1e-6, "behaviour has changed"
assert bytes_ < 0.3 and units > copy > 0.99, "behaviour has changed"
PY
