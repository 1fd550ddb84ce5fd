#!/usr/bin/env bash
# timm and torchvision: a batch under Mixup, with its soft labels, gives back every picture exactly.
#
# Believed: Mixup draws for every picture a random partner, so a mixed batch leaves a puzzle: who is mixed with whom,
#   and how much.
# Seen (timm 1.0.31, torchvision 0.28.0, torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): nothing but
#   one coefficient per batch is random. In timm the partner of picture i is picture n - 1 - i, in torchvision's v2
#   transform it is picture i - 1. The soft labels that go with the batch state the coefficient. That is n equations
#   for n pictures; they have one solution unless the coefficient is one half.
# Output seen (32 pictures, largest error of a solved picture, range 0..1; share of pictures solved to 1e-4):
#   timm 1.3e-07 1.00   torchvision 1.8e-07 1.00
# Why it matters: these are the two mixups in common use, and a split or federated learner that sends mixed batches in
#   order sends the pictures. An attack that first searches for partners, and finds it hard, says nothing of them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/pip" install -q --no-compile --no-deps timm==1.0.31 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import pathlib
import re

import torch


def place(package):
    return pathlib.Path(importlib.util.find_spec(package).origin).parent


# timm's file needs torch alone; its package needs more, which is left out here
spec = importlib.util.spec_from_file_location("mixup", place("timm") / "data" / "mixup.py")
timm_mixup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(timm_mixup)
try:
    from torchvision.transforms import v2
except RuntimeError:  # compiled for another torch: mixup needs none of its operators, the import needs their names
    text = (place("torchvision") / "_meta_registrations.py").read_text()
    names = torch.library.Library("torchvision", "DEF")
    for name in sorted(set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)"\)', text))):
        names.define(name + "(Tensor a) -> Tensor")
    from torchvision.transforms import v2

torch.manual_seed(0)
pictures, labels = torch.rand(32, 3, 8, 8), torch.arange(32) % 10


def solved(mix, neighbour):
    mixed, soft = mix(pictures.clone(), labels)
    share = float(soft[0, labels[0]])  # the first picture and its partner have different labels
    system = share * torch.eye(32, dtype=torch.float64)
    system[torch.arange(32), neighbour] += 1 - share
    found = torch.linalg.solve(system, mixed.double().reshape(32, -1)).reshape(pictures.shape)
    errors = (found - pictures).abs().flatten(1).amax(1)
    return float(errors.max()), float((errors < 1e-4).double().mean())


rows = torch.arange(32)
theirs = timm_mixup.Mixup(mixup_alpha=1.0, num_classes=10, label_smoothing=0.0)
timm = solved(theirs, 31 - rows)
vision = solved(v2.MixUp(num_classes=10), (rows - 1) % 32)
print(f"timm {timm[0]:.1e} {timm[1]:.2f}   torchvision {vision[0]:.1e} {vision[1]:.2f}")
assert timm[1] == vision[1] == 1, "behaviour has changed"
PY
