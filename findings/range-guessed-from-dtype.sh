#!/usr/bin/env bash
# scikit-image: without data_range, 8-bit pictures held as int64 score SSIM 1.000, and one pixel below 0 adds 6 dB of
#   PSNR.
#
# Believed: for integer pictures the range is known and need not be said; for float pictures PSNR takes 1.
# Seen (scikit-image 0.26.0, numpy 2.4.6, Python 3.11, Linux x86-64): the range is that of the dtype, 1.8e19 for
#   int64, to which every 8-bit picture is equal to every other; SSIM says so in a warning, PSNR in none. Float PSNR
#   takes a range of 2 as soon as the reference has one value below 0.
# Output seen (unrelated noise, values 0 to 255):
#   SSIM  uint8 0.051   int16 0.997   int64 1.000
#   PSNR  uint8 7.99   int64 339.15
#   float PSNR, one reference value 0.0 or -1e-9: 26.12 and 32.14
# Why it matters: int64 is what arithmetic on labels, sums of pictures and modular masks ends in; unrelated pictures
#   then pass as perfect reconstructions. Encodings with signs get 6 dB more than the same without.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

rng = np.random.default_rng(0)
a, b = rng.integers(0, 256, (2, 32, 32))
ssim = {t: float(structural_similarity(a.astype(t), b.astype(t))) for t in ("uint8", "int16", "int64")}
psnr = {t: float(peak_signal_noise_ratio(a.astype(t), b.astype(t))) for t in ("uint8", "int64")}
print("SSIM:", {k: round(v, 3) for k, v in ssim.items()}, "PSNR:", {k: round(v, 2) for k, v in psnr.items()})
picture = rng.random((32, 32))
picture[0, 0] = 0.0
noisy = picture + 0.05 * rng.standard_normal(picture.shape)
before = float(peak_signal_noise_ratio(picture, noisy))
picture[0, 0] = -1e-9
after = float(peak_signal_noise_ratio(picture, noisy))
print(f"float PSNR, one reference value 0.0 or -1e-9: {before:.2f} and {after:.2f}")
assert abs(ssim["uint8"]) < 0.1 and ssim["int16"] > 0.9 and ssim["int64"] > 0.999, "behaviour has changed"
assert psnr["int64"] > 300 and abs(after - before - 6.02) < 0.01, "behaviour has changed"
PY
