#!/usr/bin/env bash
# scikit-image: SSIM of float32 features is 59, or -557, where their level is high against their spread.
#
# Believed: SSIM lies between -1 and 1, whatever the pictures.
# Seen (scikit-image 0.26.0, numpy 2.4.6, Python 3.11, Linux x86-64): for float32 input everything is computed in
#   float32, and variances as mean square less squared mean. With values about 1000 that spread over .1
#   (data_range=.1) the variance is rounding error of either sign. The same numbers as float64 give .03. Nothing is
#   clipped, nothing is said.
# Output seen (two unrelated 28 x 28 arrays, 1000 + .01 * normal):
#   float32 uniform window 59.387   float32 Gaussian window -556.513   float64 uniform window 0.029
# Why it matters: encodings are feature maps and sums as often as pictures; one such item decides the mean, the
#   best-of, and the gate.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from skimage.metrics import structural_similarity

rng = np.random.default_rng(0)
a, b = ((1000 + 0.01 * rng.standard_normal((28, 28))).astype(np.float32) for _ in range(2))
uniform = structural_similarity(a, b, data_range=0.1)
gaussian = structural_similarity(
    a, b, data_range=0.1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
)
double = structural_similarity(a.astype(np.float64), b.astype(np.float64), data_range=0.1)
print(f"float32 uniform {uniform:.3f}   float32 Gaussian {gaussian:.3f}   float64 uniform {double:.3f}")
assert abs(uniform) > 2 and abs(gaussian) > 2 and abs(double) < 1, "behaviour has changed"
PY
