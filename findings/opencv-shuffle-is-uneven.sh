#!/usr/bin/env bash
# opencv: randShuffle does not draw all orders alike; where a pixel goes tells where it was.
#
# Believed: cv2.randShuffle draws a uniform permutation, as numpy's does.
# Seen (opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11, Linux x86-64): it exchanges every place with one
#   drawn from all places, not from those that are left. Of three values some orders come 4 times in 27 and others 5. Of
#   64 pixels, a value is found one place before the one it came from a quarter more often than chance has it.
# Output seen (share of each order of three, times 27, from 54,000; 64 pixels from 100,000, times what is even):
#   012 3.96  021 4.97  102 4.99  120 5.05  201 3.98  210 4.05      numpy, farthest from 4.5: 0.05
#   one place before its own 1.26   its own place 0.89   least likely place 0.72
# Why it matters: a scheme that permutes pixels or blocks with it claims log2(n!) bits and has fewer; many pictures
#   under fresh shuffles average to a faint copy where a uniform shuffle leaves a constant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile opencv-python-headless==5.0.0.93 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import itertools

import cv2
import numpy as np

cv2.setRNGSeed(1)
rng = np.random.default_rng(0)
orders = list(itertools.permutations(range(3)))
seen = {"opencv": dict.fromkeys(orders, 0), "numpy": dict.fromkeys(orders, 0)}
trials = 54_000
for _ in range(trials):
    seen["opencv"][tuple(cv2.randShuffle(np.arange(3, dtype=np.int32).reshape(1, 3)).ravel().tolist())] += 1
    seen["numpy"][tuple(rng.permutation(3).tolist())] += 1
of27 = {k: {o: 27 * c / trials for o, c in v.items()} for k, v in seen.items()}
print({"".join(map(str, o)): round(v, 2) for o, v in of27["opencv"].items()})
even = max(abs(v - 4.5) for v in of27["numpy"].values())
many = 100_000
counts = np.zeros((64, 64))  # value, place where it is found
places = np.arange(64)
for _ in range(many):
    counts[cv2.randShuffle(places.astype(np.int32).reshape(8, 8)).ravel(), places] += 1
ratio = counts * 64 / many
before, own, least = ratio[places[1:], places[:-1]].mean(), ratio[places, places].mean(), ratio.min()
print(f"numpy, farthest from 4.5: {even:.2f}   one before its own {before:.2f}   own {own:.2f}   least {least:.2f}")
distances = [abs(v - 4.5) for v in of27["opencv"].values()]
assert min(distances) > 0.3 and even < 0.2 and before > 1.2 and least < 0.85, "behaviour has changed"
PY
