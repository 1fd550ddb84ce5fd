#!/usr/bin/env bash
# jax: noise drawn in bfloat16 has 128 values, ends at 2.9 standard deviations and is not centred.
#
# Believed: `random.normal(key, shape, bfloat16)` is about the float32 noise, rounded.
# Seen (jax 0.10.2, Python 3.11, Linux x86-64, CPU; a million numbers, key 0): the uniform number underneath is drawn
#   in the target type, with 7 random bits, and then transformed. Laplace noise has a mean of +.025 scale units, 18
#   times its standard error, and a coin of probability .001 handed over as bfloat16 falls .0077 of the time. In
#   float16 there are 1,024 values and normal noise ends at 3.49.
# Output seen:
#   normal  float32  largest 4.645   values 942524   mean 0.000
#   normal  bfloat16 largest 2.891   values 128      mean -0.012
#   laplace bfloat16 largest 5.531   values 128      mean 0.025
#   bernoulli .001 as float32 and bfloat16: 0.000993 and 0.007713
# Why it matters: differentially private noise without a tail is no such noise; of an encoding whose noise has 128
#   values, an attacker reads the signal by the exact differences; and many encodings average to a shifted image.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import jax
import jax.numpy as jnp
import numpy as np

key = jax.random.key(0)
seen = {}
for name, kind in (("normal", jnp.float32), ("normal", jnp.bfloat16), ("laplace", jnp.bfloat16)):
    x = np.asarray(getattr(jax.random, name)(key, (1_000_000,), kind).astype(jnp.float32))
    largest, values, mean = np.abs(x).max(), np.unique(x).size, x.mean()
    seen[name, kind.__name__] = largest, values, mean
    print(f"{name:8}{kind.__name__:9} largest {largest:.3f}   values {values:<8} mean {mean:.3f}")
coins = [float(jax.random.bernoulli(key, p, (1_000_000,)).mean()) for p in (0.001, jnp.bfloat16(0.001))]
print(f"bernoulli .001 as float32 and bfloat16: {coins[0]:.6f} and {coins[1]:.6f}")
largest, values, mean = seen["normal", "bfloat16"]
assert largest < 3 and values == 128 and mean < -0.005, "behaviour has changed"
largest, values, mean = seen["laplace", "bfloat16"]
assert largest < 6 and values == 128 and mean > 0.015, "behaviour has changed"
assert seen["normal", "float32"][1] > 900_000 and coins[0] < 0.0012 and coins[1] > 0.005, "behaviour has changed"
PY
