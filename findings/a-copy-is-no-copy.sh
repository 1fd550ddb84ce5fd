#!/usr/bin/env bash
# torchmetrics: a copy of a picture with a black part scores .7 by UQI, and NaN by the spectral angle.
#
# Believed: measures of likeness give an exact copy their best value, 1 and 0.
# Seen (torchmetrics 1.9.0, torch 2.13.0, sewar 0.4.10, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): where
#   the window of UQI sees one value only, 0 / 0 counts as 0, so a copy scores the share that is not flat. A pixel that
#   is black in both makes the angle NaN, and one such pixel makes that of the whole set NaN. sewar scores both copies
#   as copies.
# Output seen (28 x 28 noise, left half black; 3 channels for the angle):
#   UQI of the copy 0.699, sewar 1.000   without the black half 1.000   angle nan, sewar 0.000
# Why it matters: digits and X-rays are black around. By UQI a perfect reconstruction of them lies where a poor one of a
#   photograph does, and a threshold on it says "no break"; NaN fails no comparison with a threshold.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 torchmetrics==1.9.0 scipy==1.17.1 pillow==13.0.0 \
  numpy==2.4.6
"$work/venv/bin/pip" install -q --no-compile --no-deps sewar==0.4.10
"$work/venv/bin/python" -W ignore - <<'PY'
import math

import sewar
import torch
from torchmetrics.functional.image import spectral_angle_mapper, universal_image_quality_index

picture = torch.rand(1, 3, 28, 28, generator=torch.Generator().manual_seed(0))
full = float(universal_image_quality_index(picture[:, :1], picture[:, :1]))
picture[..., :14] = 0
grey = picture[:, :1]
uqi, other = float(universal_image_quality_index(grey, grey)), sewar.uqi(grey[0, 0].numpy(), grey[0, 0].numpy())
pixels = picture[0].permute(1, 2, 0).numpy()
angle, plain = float(spectral_angle_mapper(picture, picture)), float(sewar.sam(pixels, pixels))
print(f"UQI {uqi:.3f}, sewar {other:.3f}   without the black half {full:.3f}   angle {angle}, sewar {plain:.3f}")
assert uqi < 0.9 and abs(other - 1) < 1e-3 and full > 0.999, "behaviour has changed"
assert math.isnan(angle) and abs(plain) < 1e-3, "behaviour has changed"
PY
