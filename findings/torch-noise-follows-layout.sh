#!/usr/bin/env bash
# torch: the noise of a seed depends on how the picture lies in memory, and on how many numbers are asked for.
#
# Believed: with the same seed and shape, `torch.randn_like(x)` is the same noise; and randn(n) begins randn(m).
# Seen (torch 2.13.0 on the CPU, Python 3.11, Linux x86-64): for a channels_last picture randn_like gives noise of
#   which no value occurs in the noise for the contiguous one; rand_like gives the same values in another order. Below
#   16 numbers randn goes another way (four words a pair instead of two a pair), and for a size that is no multiple of
#   16 the last 16 numbers are drawn anew, so that randn(17) and randn(32) have only the first number in common.
# Output seen:
#   randn_like, contiguous and channels_last: equal False, values in common 0 of 384
#   rand_like,  contiguous and channels_last: equal False, values in common 384 of 384
#   numbers that randn(15), (16), (17) share with the beginning of randn(32): 0, 16, 1
# Why it matters: a key search or replay that rebuilds noise from the seed, and a test that an encoder is
#   deterministic, give "no" for the right seed if the picture came from a decoder that leaves it channels_last, or if
#   noise is drawn for one image instead of for the batch.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import torch

picture = torch.zeros(2, 3, 8, 8)
other = picture.to(memory_format=torch.channels_last)
common = {}
for draw in (torch.randn_like, torch.rand_like):
    torch.manual_seed(1)
    a = draw(picture)
    torch.manual_seed(1)
    b = draw(other)
    common[draw.__name__] = len(set(a.flatten().tolist()) & set(b.flatten().tolist()))
    print(draw.__name__, "equal:", torch.equal(a, b), "values in common:", common[draw.__name__], "of", a.numel())
    assert not torch.equal(a, b), "behaviour has changed"


def drawn(n):
    return torch.randn(n, generator=torch.Generator().manual_seed(7))


shared = [int((drawn(n) == drawn(32)[:n]).sum()) for n in (15, 16, 17)]
print("shared with randn(32):", shared)
assert common == {"randn_like": 0, "rand_like": 384} and shared == [0, 16, 1], "behaviour has changed"
PY
