#!/usr/bin/env bash
# torch and jax: random integers below 3 * 2^30, or in a range of 3 * 2^62, are in the first third half of the time.
#
# Believed: `randint(low, high)` is uniform, up to something that does not show; numpy's is.
# Seen (torch 2.13.0, jax 0.10.2, numpy 2.4.6, Python 3.11, Linux x86-64, on the CPU): torch takes a random word modulo
#   the length of the range, of 32 bits below 2^28 and of 64 above. jax draws two words to avoid just that and
#   multiplies them in 32 bits (or 64), where the product overflows to 0 for such lengths. Below 2^28 torch is off by up
#   to 3 %.
# Output seen (share of a million numbers in the first third of the range, and in the second):
#   numpy .333 .333   torch, 3 * 2^26 .343 .328   torch, 3 * 2^62 .501 .250   jax, 3 * 2^30 .500 .250
# Why it matters: masks and shares of pictures modulo a number hide them only if they are uniform: here the sum of pixel
#   and mask leans to the pixel. Games that count on a uniform key have a bias that is the generator's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 torch==2.13.0 jax==0.10.2 jaxlib==0.10.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import jax
import numpy as np
import torch

jax.config.update("jax_enable_x64", True)
count = 1_000_000


def thirds(numbers, low, length):
    place = (np.asarray(numbers).astype(np.float64) - low) * 3 / length
    return [float(((place >= third) & (place < third + 1)).mean()) for third in (0, 1)]


half = -3 * 2**61
generator = torch.Generator().manual_seed(0)
narrow = torch.randint(3 * 2**26, (count,), generator=generator)
wide = torch.randint(half, -half, (count,), generator=generator)
words = jax.random.randint(jax.random.key(0), (count,), 0, 3 * 2**30, dtype="uint32")
seen = {
    "numpy": thirds(np.random.default_rng(0).integers(half, -half, count), half, 3 * 2**62),
    "torch, 3 * 2^26": thirds(narrow, 0, 3 * 2**26),
    "torch, 3 * 2^62": thirds(wide, half, 3 * 2**62),
    "jax, 3 * 2^30": thirds(words, 0, 3 * 2**30),
}
print({name: [round(share, 3) for share in shares] for name, shares in seen.items()})
assert abs(seen["numpy"][0] - 1 / 3) < 0.003, "behaviour has changed"
assert seen["torch, 3 * 2^26"][0] > 0.34, "behaviour has changed"
for name in ("torch, 3 * 2^62", "jax, 3 * 2^30"):
    assert abs(seen[name][0] - 0.5) < 0.01 and abs(seen[name][1] - 0.25) < 0.01, "behaviour has changed"
PY
