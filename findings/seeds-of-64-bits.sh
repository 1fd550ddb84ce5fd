#!/usr/bin/env bash
# torch and jax: a seed of 64 bits is accepted and half of it is dropped.
#
# Believed: a library that takes a 64-bit seed without complaint uses it; torch even reports it back.
# Seen (torch 2.13.0 on the CPU, jax 0.10.2 in its default 32-bit mode, numpy 2.4.6, Python 3.11, Linux x86-64):
#   torch's CPU generator uses the low 32 bits, while `initial_seed()` returns all 64; jax.random.key(2**40 + 1) is
#   key(1) (its fold_in, by contrast, raises OverflowError for such a number). numpy's default_rng uses all of it, and
#   RandomState refuses it.
# Output seen:
#   torch: seeds 1 and 2**40 + 1 give the same numbers: True, reported seed 1099511627777
#   jax:   keys of 1 and 2**40 + 1 are the same: True
#   numpy: default_rng the same: False, RandomState: ValueError
# Why it matters: "a 64-bit key" is 32 bits, which is within reach of a plain search, whatever the scheme's security
#   parameter says.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 torch==2.13.0 jax==0.10.2 jaxlib==0.10.2
"$work/venv/bin/python" - <<'PY'
import jax
import numpy as np
import torch

big = 2**40 + 1
one, two = torch.Generator().manual_seed(1), torch.Generator().manual_seed(big)
in_torch = torch.equal(torch.rand(8, generator=one), torch.rand(8, generator=two))
print("torch: same numbers:", in_torch, "reported seed:", two.initial_seed())
in_jax = bool((jax.random.key_data(jax.random.key(1)) == jax.random.key_data(jax.random.key(big))).all())
print("jax: same key:", in_jax)
try:
    jax.random.fold_in(jax.random.key(0), big)
    folded = "accepted"
except OverflowError:
    folded = "OverflowError"
print("jax fold_in:", folded)
in_numpy = bool((np.random.default_rng(1).random(8) == np.random.default_rng(big).random(8)).all())
try:
    np.random.RandomState(big)
    legacy = "accepted"
except ValueError:
    legacy = "ValueError"
print("numpy: same numbers:", in_numpy, "RandomState:", legacy)
assert in_torch and two.initial_seed() == big and in_jax and not in_numpy, "behaviour has changed"
assert (folded, legacy) == ("OverflowError", "ValueError"), "behaviour has changed"
PY
