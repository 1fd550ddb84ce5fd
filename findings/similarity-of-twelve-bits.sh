#!/usr/bin/env bash
# image-similarity-measures: 8-bit pictures are scored as 12-bit ones, and a picture is like its negative by SSIM .53.
#
# Believed: `ssim(a, b)` and `psnr(a, b)` of two uint8 pictures take 255, which the dtype says, as the range.
# Seen (image-similarity-measures 0.3.6, numpy 2.4.6, Python 3.11, Linux x86-64): the default of max_p is 4095. PSNR
#   is 24.1 dB too high, rmse 16 times too small, and SSIM's constants are 258 times too large.
# Output seen (28 x 28 x 3 uint8, smooth picture; noise of .1; its negative):
#   noisy copy: SSIM 0.962 PSNR 45.16   (max_p=255: PSNR 21.04)
#   negative:   SSIM 0.533  (max_p=255: -0.428)
# Why it matters: by these figures nearly every attack succeeds and no defence works; a table made with the defaults
#   cannot be set beside others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps image-similarity-measures==0.3.6 phasepack==1.5 \
  pyfftw==0.15.1 opencv-python-headless==5.0.0.93 scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6 lazy-loader==0.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from image_similarity_measures.quality_metrics import psnr, ssim

rng = np.random.default_rng(0)
picture = rng.random((28, 28)).cumsum(0).cumsum(1)
picture /= picture.max()
noisy = np.clip(picture + 0.1 * rng.standard_normal(picture.shape), 0, 1)
a, b = (np.stack([(v * 255).astype(np.uint8)] * 3, -1) for v in (picture, noisy))
like, right = float(psnr(a, b)), float(psnr(a, b, max_p=255))
copy, negative = float(ssim(a, b)), float(ssim(a, 255 - a))
print(f"noisy copy: SSIM {copy:.3f} PSNR {like:.2f}   (max_p=255: PSNR {right:.2f})")
print(f"negative:   SSIM {negative:.3f}, with max_p=255 {float(ssim(a, 255 - a, max_p=255)):.3f}")
assert abs(like - right - 24.11) < 0.05 and copy > 0.9 and negative > 0.4, "behaviour has changed"
PY
