#!/usr/bin/env bash
# torch: `antialias=True` changes bicubic enlarging, which has nothing to smooth.
#
# Believed: antialiasing widens the filter where a picture is made smaller and does nothing where it is made larger.
# Seen (torch 2.13.0 on the CPU, Pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): true of bilinear. Bicubic is
#   another cubic: with antialias=True torch agrees with Pillow's BICUBIC, without it is off by up to 7 % of the
#   range.
# Output seen (32 x 32 noise in 0..1 to 64 x 64, largest difference):
#   bilinear, with and without: 0.0000      bicubic, with and without: 0.0672
#   bicubic and Pillow: with 0.0000, without 0.0672
# Why it matters: pictures prepared with Pillow and reconstructions enlarged by torch differ without any attack error;
#   an inverse of a known resize fails by the wrong cubic; a decoder trained on one and tested on the other is
#   underrated.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch
from PIL import Image

picture = np.random.default_rng(0).random((32, 32)).astype(np.float32)


def enlarged(mode, antialias):
    x = torch.tensor(picture)[None, None]
    return torch.nn.functional.interpolate(x, size=(64, 64), mode=mode, antialias=antialias)[0, 0].numpy()


pillow = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC))
linear = float(np.abs(enlarged("bilinear", True) - enlarged("bilinear", False)).max())
cubic = float(np.abs(enlarged("bicubic", True) - enlarged("bicubic", False)).max())
same, other = (float(np.abs(enlarged("bicubic", a) - pillow).max()) for a in (True, False))
print(f"bilinear, with and without: {linear:.4f}   bicubic, with and without: {cubic:.4f}")
print(f"bicubic and Pillow: with {same:.4f}, without {other:.4f}")
assert linear < 1e-5 and same < 1e-4 and cubic > 0.02 and other > 0.02, "behaviour has changed"
PY
