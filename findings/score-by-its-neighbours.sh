#!/usr/bin/env bash
# piq: SR-SIM of a picture depends on which others are in the batch.
#
# Believed: with reduction="none" a measure gives each pair the score that it has alone.
# Seen (piq 0.8.0, torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): maps of saliency are brought to
#   0..1 by the smallest and the largest value of the whole batch, so that a picture with one bright point takes the
#   weight from all others. FSIM, GMSD, HaarPSI, MDSI and VSI are the same alone and in a batch.
# Output seen (96 x 96, smooth picture against itself with noise of .1):
#   SR-SIM alone 0.853, beside a white point on black 0.878   alone, an unrelated picture 0.868   the five others 0.000
# Why it matters: by SR-SIM the noisy copy is worse than an unrelated picture or better, by its company. A mean over a
#   test set, and which of two attacks is ahead, change with the size of the batches and their order.
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
point = torch.zeros_like(picture)
point[..., 40:44, 40:44] = 1


def score(measure, a, b):
    return measure(a, b, data_range=1.0, reduction="none")[0].item()


def moved(measure):
    alone = score(measure, noisy, picture)
    return alone, score(measure, torch.cat([noisy, point]), torch.cat([picture, point]))


alone, beside = moved(piq.srsim)
other = score(piq.srsim, unrelated, picture)
rest = [abs(a - b) for a, b in map(moved, (piq.fsim, piq.gmsd, piq.haarpsi, piq.mdsi, piq.vsi))]
print(f"SR-SIM alone {alone:.3f}, beside a point {beside:.3f}   unrelated {other:.3f}   others {max(rest):.3f}")
assert beside - alone > 0.01 and max(rest) < 1e-5, "behaviour has changed"
PY
