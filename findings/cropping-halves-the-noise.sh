#!/usr/bin/env bash
# kornia: a crop about the middle is a mean of four pixels where sides differ by an odd number.
#
# Believed: a crop takes pixels out and changes none, as CenterCrop of the same library does.
# Seen (kornia 0.9.0, torch 2.13.0, numpy 2.4.6, Python 3.11, Linux x86-64): geometry.center_crop warps, and where the
#   middle lies between pixels (33 to 32) it is half a pixel off along both axes: every value is the mean of four
#   neighbours. From 34 to 32 nothing happens. augmentation.CenterCrop takes pixels out in both of its modes.
# Output seen (standard deviation of uniform noise; largest difference from the nearest true crop):
#   center_crop 33 to 32   0.144  0.7
#   CenterCrop 33 to 32    0.287  0.0
#   center_crop 34 to 32   0.287  0.0
# Why it matters: cropped noise has half its deviation, and what is said of the privacy of noise that is added before
#   the crop no longer holds; an attack that aligns crops by whole pixels finds no pixel that fits, and a picture that
#   was "only cropped" is no exact copy for a matcher.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 kornia==0.9.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch
from kornia.augmentation import CenterCrop
from kornia.geometry import center_crop

torch.manual_seed(0)


def seen(crop, side):
    x = torch.rand(4, 3, side, side)
    y = crop(x)
    true = [x[..., i : i + 32, j : j + 32] for i in range(side - 31) for j in range(side - 31)]
    return float(y.std()), min(float((y - t).abs().max()) for t in true)


found = {
    "center_crop 33 to 32": seen(lambda x: center_crop(x, (32, 32)), 33),
    "CenterCrop 33 to 32": seen(CenterCrop(32), 33),
    "center_crop 34 to 32": seen(lambda x: center_crop(x, (32, 32)), 34),
}
for name, (deviation, off) in found.items():
    print(f"{name:23}{deviation:.3f}  {off:.1f}")
assert found["center_crop 33 to 32"][0] < 0.16 and found["center_crop 33 to 32"][1] > 0.5, "behaviour has changed"
assert all(found[k][0] > 0.28 and found[k][1] < 1e-3 for k in list(found)[1:]), "behaviour has changed"
PY
