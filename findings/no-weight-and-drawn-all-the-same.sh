#!/usr/bin/env bash
# torch: a WeightedRandomSampler without replacement draws rows of weight 0 once the others are used up.
#
# Believed: a row of weight 0 is never drawn; where fewer rows have a weight than are asked for, there is an error, as
#   in numpy's `choice`.
# Seen (torch 2.13.0, numpy 2.4.6, Python 3.11, Linux x86-64, on the CPU): the sampler, and `torch.multinomial` below
#   it, fill up with rows of weight 0, the same ones for every seed: the last rows first. A note on multinomial asks for
#   fewer rows than have a weight; nothing checks it, and the sampler's documentation has no such note. numpy raises
#   "Fewer non-zero entries in p than size".
# Output seen (weights 1, 1, 0, 0, 0, 0; 4 rows asked for; how often each row came in 100 draws):
#   100 100 0 0 100 100
# Why it matters: a weight of 0 takes somebody out: who withdrew, or who is in the test part. They are trained on and
#   audited as members, without a word, as soon as the batch or epoch is longer than the list of the others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

weights = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
counts = np.zeros(6, int)
for seed in range(100):
    generator = torch.Generator().manual_seed(seed)
    counts[list(WeightedRandomSampler(weights, 4, replacement=False, generator=generator))] += 1
print(*counts)
refused = False
try:
    np.random.default_rng(0).choice(6, 4, replace=False, p=np.divide(weights, 2))
except ValueError:
    refused = True
assert counts[:2].tolist() == [100, 100] and counts[2:].sum() == 200 and refused, "behaviour has changed"
PY
