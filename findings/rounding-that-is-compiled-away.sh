#!/usr/bin/env bash
# torch: under torch.compile, rounding to half precision and back does nothing.
#
# Believed: a compiled function gives what the function gives, up to last bits; a cast to float16 leaves 11 bits.
# Seen (torch 2.13.0, numpy 2.4.6, Python 3.11, Linux x86-64, on the CPU, with g++): inductor computes half precision in
#   float32 within a kernel and drops the cast there and back, for float16 and bfloat16. A cast to float8 stays. jax.jit
#   and ONNX Runtime keep all of them.
# Output seen (different values among 1000 random float32 numbers, as they are, after the cast, after the compiled
#   cast):
#   float16 1000, 833, 1000   bfloat16 1000, 404, 1000   float8 1000, 53, 53
# Why it matters: the precision at which an encoding is released is part of the scheme, and attacks that solve for
#   pixels depend on it. The same code, compiled, releases 24 bits where 8 or 11 were declared; an attack tried on it is
#   stronger than on the release.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch

numbers = torch.from_numpy(np.random.default_rng(0).random(1000).astype(np.float32))


def cast(kind):
    def there_and_back(x):
        return x.to(kind).to(torch.float32)

    return there_and_back


seen = {}
for name in ("float16", "bfloat16", "float8_e4m3fn"):
    function = cast(getattr(torch, name))
    torch.compiler.reset()
    compiled = torch.compile(function)(numbers)
    seen[name] = len(numbers.unique()), len(function(numbers).unique()), len(compiled.unique())
    if name != "float8_e4m3fn":
        assert torch.equal(compiled, numbers), "behaviour has changed"
print(seen)
assert seen["float16"][1] < 900 and seen["bfloat16"][1] < 500, "behaviour has changed"
assert seen["float8_e4m3fn"][1] == seen["float8_e4m3fn"][2] < 100, "behaviour has changed"
PY
