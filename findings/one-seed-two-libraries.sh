#!/usr/bin/env bash
# torch and numpy: the same seed gives both the same random words, so one library's numbers tell the other's.
#
# Believed: `torch.manual_seed(s)` and `np.random.seed(s)`, set together as seed-everything helpers do, start two
#   streams that have nothing to do with each other.
# Seen (torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): both start the same Mersenne Twister in the
#   same state. torch.rand (float32) takes the low 24 bits of word i; numpy's rand takes the high 27 bits of word 2i
#   (and 26 of the next). Every second value of torch.rand is therefore numpy's value times 256, less the whole
#   number, to within 2**-19. torch.randperm, too, follows from numpy's words.
# Output seen:
#   largest |frac(256 * numpy[i]) - torch[2i]|: 1.73e-06
#   torch.randperm(100) computed from numpy's words: True
# Why it matters: a scheme that publishes numpy noise, a numpy shuffle or numpy augmentation and keeps a torch mask
#   under "the" seed has published most bits of the mask; a key search may test either library's output.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch

seed = 7
torch.manual_seed(seed)
np.random.seed(seed)
mine = torch.rand(1000).double().numpy()[0::2]
published = np.random.rand(500)
gap = np.abs((published * 256) % 1 - mine)
gap = np.minimum(gap, 1 - gap).max()
print(f"largest |frac(256 * numpy[i]) - torch[2i]|: {gap:.2e}")

words = np.random.RandomState(seed).randint(0, 2**32, 99, dtype=np.uint32)
order = list(range(100))
for i in range(99):
    j = i + int(words[i]) % (100 - i)
    order[i], order[j] = order[j], order[i]
torch.manual_seed(seed)
same = order == torch.randperm(100).tolist()
print("torch.randperm(100) computed from numpy's words:", same)
assert gap < 2**-18 and same, "behaviour has changed"
PY
