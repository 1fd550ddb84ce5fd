#!/usr/bin/env bash
# torchmetrics: SSIM averages over a mirrored border too, which on 28 x 28 pictures moves it by .04.
#
# Believed: with window 11, sigma 1.5 and the range given, torchmetrics, scikit-image (gaussian_weights, no sample
#   covariance) and pytorch-msssim compute one number.
# Seen (torchmetrics 1.9.0, pytorch-msssim 1.0.0, scikit-image 0.26.0, torch 2.13.0, numpy 2.4.6, Python 3.11, Linux
#   x86-64): the last two average where the window fits into the picture, torchmetrics everywhere, with the picture
#   mirrored outward. At 28 x 28 the window fits at 324 of 784 places.
# Output seen (28 x 28, smooth picture against itself with noise of .1):
#   scikit-image 0.3174   pytorch-msssim 0.3174   torchmetrics 0.3572
# Why it matters: a threshold on SSIM ("above .35 counts as recovered") gives opposite answers on small pictures by
#   the library, and figures of papers that used one are no baselines for figures by the other.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 torchmetrics==1.9.0 pytorch-msssim==1.0.0 \
  scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch
from pytorch_msssim import ssim
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

rng = np.random.default_rng(0)
picture = rng.random((28, 28)).cumsum(0).cumsum(1)
picture /= picture.max()
noisy = np.clip(picture + 0.1 * rng.standard_normal(picture.shape), 0, 1)
a, b = (torch.tensor(v, dtype=torch.float32)[None, None] for v in (picture, noisy))
theirs = float(structural_similarity_index_measure(a, b, data_range=1.0))
msssim = float(ssim(a, b, data_range=1))
skimage = structural_similarity(
    picture, noisy, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
)
print(f"scikit-image {skimage:.4f}   pytorch-msssim {msssim:.4f}   torchmetrics {theirs:.4f}")
assert abs(skimage - msssim) < 1e-4 and theirs - skimage > 0.03, "behaviour has changed"
PY
