#!/usr/bin/env bash
# pytorch-msssim: below 11 pixels a side, SSIM compares brightness only, and unrelated noise scores .7.
#
# Believed: a window larger than the picture is refused or made smaller.
# Seen (pytorch-msssim 1.0.0, torch 2.13.0, numpy 2.4.6, Python 3.11, Linux x86-64): a Python warning, "Skipping
#   Gaussian Smoothing", and a number. Without the window every pixel's variance is 0, contrast and structure are 1
#   everywhere, and what remains is the brightness term of single pixels.
# Output seen (mean over 100 pairs of independent noise):
#   8 x 8: 0.693   10 x 10: 0.695   11 x 11: 0.030
#   8 x 8 picture against its negative: 0.575
# Why it matters: patches, thumbnails and feature maps of 8 x 8 are what jigsaw attacks and split networks leave; an
#   attack that found nothing is scored as a success, and the null control beside it as well.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pytorch-msssim==1.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import warnings

import torch
from pytorch_msssim import ssim

torch.manual_seed(0)
means = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for side in (8, 10, 11):
        a, b = torch.rand(100, 1, side, side), torch.rand(100, 1, side, side)
        means[side] = float(ssim(a, b, data_range=1))
        if side == 8:
            negative = float(ssim(a, 1 - a, data_range=1))
print("unrelated noise:", {k: round(v, 3) for k, v in means.items()}, "8 x 8 against its negative:", round(negative, 3))
print("warned:", {str(c.message)[:28] for c in caught})
assert means[8] > 0.6 and means[10] > 0.6 and abs(means[11]) < 0.1 and negative > 0.5, "behaviour has changed"
PY
