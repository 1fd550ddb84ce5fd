#!/usr/bin/env bash
# torch: a new `torch.Generator()` is the same generator in every process.
#
# Believed: without a seed it is seeded from the system, as numpy's default_rng(), Python's random and torch's own
#   global generator are.
# Seen (torch 2.13.0 on the CPU, Python 3.11, Linux x86-64): it always starts from the fixed number 67280421310721;
#   only `.seed()` (which sounds like a question) draws a fresh one.
# Output seen (two processes):
#   torch.Generator():         0.267295, 0.872528, 0.335289 and 0.267295, 0.872528, 0.335289
#   without a generator:       two different triples
#   np.random.default_rng():   two different triples
# Why it matters: a scheme that makes its "one-time" mask with `generator=torch.Generator()` uses one public key for
#   all images of all users. 67280421310721 belongs among the first seeds that an audit tries.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 torch==2.13.0
cat >"$work/draw.py" <<'PY'
import numpy as np
import torch

print([round(v, 6) for v in torch.rand(3, generator=torch.Generator()).tolist()])
print([round(v, 6) for v in torch.rand(3).tolist()])
print(np.random.default_rng().random(3).round(6).tolist())
print(torch.Generator().initial_seed())
PY
"$work/venv/bin/python" "$work/draw.py" | tee "$work/one"
"$work/venv/bin/python" "$work/draw.py" | tee "$work/two"
line() { sed -n "$1p" "$work/$2"; }
[ "$(line 1 one)" = "$(line 1 two)" ]
[ "$(line 4 one)" = 67280421310721 ]
[ "$(line 2 one)" != "$(line 2 two)" ]
[ "$(line 3 one)" != "$(line 3 two)" ]
