#!/usr/bin/env bash
# piq: SSIM of a picture of 384 pixels a side is three times that of 383.
#
# Believed: with window 11, sigma 1.5 and the range given, SSIM is that of pytorch-msssim and scikit-image, at any size.
# Seen (piq 0.8.0, pytorch-msssim 1.0.0, torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): true up to
#   383. From 384 on piq first averages 2 x 2 pixels (from 640 on 3 x 3, and so on), which takes noise away;
#   downsample=False leaves it out. Nothing is said.
# Output seen (smooth picture against itself with noise of .1):
#   383: piq 0.108, pytorch-msssim 0.108   384: piq 0.327, pytorch-msssim 0.108, piq with downsample=False 0.108
# Why it matters: one pixel decides whether an attack meets a threshold, and scrambling or noise finer than two pixels,
#   which is what protects an encoding, is averaged out before it is looked at.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pytorch-msssim==1.0.0 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/pip" install -q --no-compile --no-deps torchvision==0.28.0 piq==0.8.0
"$work/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import pathlib
import re

import torch

try:
    import piq
except RuntimeError:  # torchvision compiled for another torch: SSIM needs none of its operators, the import their names
    text = pathlib.Path(importlib.util.find_spec("torchvision").origin).with_name("_meta_registrations.py").read_text()
    names = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)"\)', text))):
        names.define(name + "(Tensor a) -> Tensor")
    import piq
from pytorch_msssim import ssim

found = {}
for side in (383, 384):
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 1, side, side, generator=generator).cumsum(2).cumsum(3)
    picture /= picture.max()
    noisy = (picture + 0.1 * torch.randn(picture.shape, generator=generator)).clip(0, 1)
    whole = piq.ssim(picture, noisy, data_range=1.0, downsample=False)
    each = piq.ssim(picture, noisy, data_range=1.0), ssim(picture, noisy, data_range=1.0), whole
    found[side] = [round(float(v), 3) for v in each]
print("piq, pytorch-msssim, piq without downsampling:", found)
assert max(found[383]) - min(found[383]) < 0.002 and abs(found[384][1] - found[384][2]) < 0.002, "behaviour has changed"
assert found[384][0] > 2 * found[384][1], "behaviour has changed"
PY
