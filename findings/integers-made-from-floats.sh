#!/usr/bin/env bash
# mlx and tinygrad: random integers are scaled float32 numbers, so large ones are even.
#
# Believed: `randint(0, 2**31 - 1)` draws from all those integers, as numpy's does.
# Seen (mlx 0.32.4 with mlx-cpu 0.32.4, tinygrad 0.13.0 with its Python device, numpy 2.4.6, Python 3.11, Linux
#   x86-64): both draw a float32 in [0, 1) and multiply. From tinygrad, which has 23 random bits, every number is a
#   multiple of 256; from mlx 99.7 % are even and 84 % are multiples of 64. Exactly half and 1/64 would be right.
# Output seen (share of even numbers, of multiples of 64):
#   mlx      0.997 0.836
#   tinygrad 1.000 1.000
#   numpy    0.518 0.015
# Why it matters: keys, seeds and permutation codes drawn so have 23 or 24 bits of chance, not 31, and a search may
#   skip the rest; a modular mask (x + r) mod 2**k shows its low bits.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps mlx==0.32.4 mlx-cpu==0.32.4 tinygrad==0.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import os

os.environ["DEV"] = "PYTHON"  # tinygrad's interpreter: needs no compiler

import mlx.core as mx
import numpy as np
from tinygrad import Tensor

top = 2**31 - 1
Tensor.manual_seed(1)
drawn = {
    "mlx": np.array(mx.random.randint(0, top, (200_000,), key=mx.random.key(42))),
    "tinygrad": Tensor.randint(2000, low=0, high=top).numpy(),
    "numpy": np.random.default_rng(1).integers(0, top, 2000),
}
share = {k: (float((v % 2 == 0).mean()), float((v % 64 == 0).mean())) for k, v in drawn.items()}
for name, (even, sixty_four) in share.items():
    print(f"{name:9}{even:.3f} {sixty_four:.3f}")
print("tinygrad, multiples of 256:", float((drawn["tinygrad"] % 256 == 0).mean()))
assert share["mlx"][0] > 0.99 and share["mlx"][1] > 0.8, "behaviour has changed"
assert share["tinygrad"] == (1.0, 1.0) and (drawn["tinygrad"] % 256 == 0).all(), "behaviour has changed"
assert share["numpy"][1] < 0.03, "behaviour has changed"
PY
