#!/usr/bin/env bash
# pyvips: the noise of one seed is the noise of another with its columns in other places.
#
# Believed: `gaussnoise(width, height, seed=s)` for s = 0, 1, 2, ... gives unrelated pictures of noise.
# Seen (pyvips 3.2.0 with pyvips-binary 8.18.7, libvips 8.18, numpy 2.4.6, Python 3.11, Linux x86-64): seed and column
#   are put together by exclusive or, so column x under seed s is column x ^ s under seed 0, value for value, wherever
#   both are in the picture. Correlation of two such pictures is 0. Without a seed a random one of 32 bits is taken.
# Output seen (256 x 256, seeds 0 to 255; pairs with seed 0; numbers equal after columns were put back):
#   same numbers, sorted: 255 of 255   columns put back by exclusive or: 255 of 255   equal as they lie: at most 0.00
# Why it matters: a picture's number is the seed that comes to mind, and gives all pictures of a release one noise.
#   Two encodings, columns put back, subtract to the difference of the pictures; the noise of seed 0 and as many tries
#   as a picture is wide take the noise off.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import pyvips

side = 256


def noise(seed):
    return pyvips.Image.gaussnoise(side, side, mean=0, sigma=1, seed=seed).numpy()


first, column = noise(0), np.arange(side)
pictures = [noise(seed) for seed in range(1, side)]
sorted_alike = sum(np.array_equal(np.sort(first, axis=None), np.sort(other, axis=None)) for other in pictures)
put_back = sum(np.array_equal(first, other[:, column ^ seed]) for seed, other in enumerate(pictures, 1))
as_they_lie = max((first == other).mean() for other in pictures)
unlike = max(abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) for other in pictures[:8])
print(pyvips.version(0), pyvips.version(1), end="   ")
print(f"sorted {sorted_alike}   put back {put_back}   as they lie {as_they_lie:.2f}   correlation {unlike:.2f}")
assert sorted_alike == put_back == side - 1 and as_they_lie < 0.01 and unlike < 0.1, "behaviour has changed"
PY
