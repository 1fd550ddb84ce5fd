#!/usr/bin/env bash
# opencv: pictures of noise drawn under small seeds are multiples of one another.
#
# Believed: `cv2.setRNGSeed(1)`, `(2)`, `(3)` start three unrelated streams.
# Seen (opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11, Linux x86-64): the seed is the state of a
#   multiply-with-carry generator, as it is. The bytes under seed s are s times the bytes under seed 1 (modulo 256,
#   but for a carry now and then), to the end of the picture; and the first normal number under seeds 1 to 3 is 0.
# Output seen (28 x 28 bytes of cv2.randu):
#   pixels at which seed s equals s * seed 1, up to a carry below s, for s = 2 and 3: all, all
#   numpy, the same test: 0.008 and 0.013 of the pixels
#   first number of cv2.randn under seeds 1 to 3: 1.3e-10, 3.4e-10, 6.0e-10
# Why it matters: a mask seeded with the number of the image is not one mask per image: masks 1 and 2 give mask 3. An
#   audit's "fresh key" rounds with seeds 1, 2, 3, ... are not fresh either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps opencv-python-headless==5.0.0.93 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import cv2
import numpy as np


def picture(seed):
    cv2.setRNGSeed(seed)
    out = np.zeros((28, 28), np.uint8)
    cv2.randu(out, 0, 256)
    return out.astype(int)


def other(seed):
    return np.random.default_rng(seed).integers(0, 256, (28, 28))


def related(draw, factor):
    return float((((draw(factor) - factor * draw(1)) % 256) < factor).mean())


theirs = [related(picture, f) for f in (2, 3)]
numpys = [related(other, f) for f in (2, 3)]
print("seed s against s * seed 1, s = 2, 3:", theirs, " numpy:", [round(v, 3) for v in numpys])
firsts = []
for seed in (1, 2, 3):
    cv2.setRNGSeed(seed)
    z = np.zeros((1, 4), np.float32)
    cv2.randn(z, 0, 1)
    firsts.append(float(z[0, 0]))
print("first of randn:", firsts)
assert min(theirs) > 0.99 and max(numpys) < 0.1 and max(firsts) < 1e-8, "behaviour has changed"
PY
