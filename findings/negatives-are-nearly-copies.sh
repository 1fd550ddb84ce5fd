#!/usr/bin/env bash
# piq: a negative is nearly a copy by five measures, and nearer than a copy with some noise.
#
# Believed: a full-reference measure is worst where no pixel is right; SSIM of a negative is below 0.
# Seen (piq 0.8.0, torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): FSIM, GMSD, HaarPSI, VSI and SR-SIM
#   compare how strong edges are, not which side is the bright one. VSI gives a black picture against a grey one 1.000.
#   SSIM and MDSI put the negative last.
# Output seen (96 x 96 x 3, smooth picture; its negative, itself with noise of .1, another; GMSD, MDSI: less is better):
#   FSIM     0.953  0.724  0.779     HaarPSI  0.963  0.749  0.362     VSI   0.965  0.894  0.903
#   SR-SIM   0.970  0.853  0.868     GMSD     0.036  0.077  0.175     SSIM -0.465 0.346 0.215   MDSI 0.510 0.423 0.495
# Why it matters: signs are what InstaHide flips. An attack that recovers pictures up to sign is perfect by these, one
#   that finds the sign and leaves noise is not; an unrelated picture is ahead of it by three.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/pip" install -q --no-compile --no-deps torchvision==0.28.0 piq==0.8.0
"$work/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import pathlib
import re

import torch

try:
    import piq
except RuntimeError:  # torchvision compiled for another torch: only the import needs its operators, by name
    text = pathlib.Path(importlib.util.find_spec("torchvision").origin).with_name("_meta_registrations.py").read_text()
    names = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)"\)', text))):
        names.define(name + "(Tensor a) -> Tensor")
    import piq
from torch.nn.functional import avg_pool2d

generator = torch.Generator().manual_seed(0)


def smooth():
    picture = torch.rand(1, 3, 96, 96, generator=generator)
    for _ in range(2):
        picture = avg_pool2d(picture, 9, 1, 4, count_include_pad=False)
    return (picture - picture.min()) / (picture.max() - picture.min())


picture = smooth()
noisy = (picture + 0.1 * torch.randn(picture.shape, generator=generator)).clip(0, 1)
unrelated = smooth()


def scores(measure):
    return [measure(other, picture, data_range=1.0).item() for other in (1 - picture, noisy, unrelated)]


seen = {name: scores(getattr(piq, name)) for name in ("fsim", "haarpsi", "vsi", "srsim", "gmsd", "ssim", "mdsi")}
for name, values in seen.items():
    print(name, *(f"{value:.3f}" for value in values))
flat = piq.vsi(torch.zeros_like(picture), torch.full_like(picture, 0.7), data_range=1.0).item()
print(f"vsi of black and grey {flat:.3f}")
near = all(seen[name][0] > 0.9 and seen[name][0] > seen[name][1] for name in ("fsim", "haarpsi", "vsi", "srsim"))
assert near and seen["gmsd"][0] < seen["gmsd"][1] and seen["ssim"][0] < 0 and flat > 0.999, "behaviour has changed"
PY
