#!/usr/bin/env bash
# OpenCV: a number is added to all three channels, and is the minimum of the first one, with the others 0.
#
# Believed: all functions that take a picture and a number treat the number alike.
# Seen (opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11, Linux x86-64): add, subtract, absdiff, multiply and
#   compare take the number for every channel; min, max and the bitwise functions take it for the first one and 0 for
#   the others, so that min makes green and red black. Of pictures with one channel all do what they say.
# Output seen (a colour of (100, 100, 100) and the number 33):
#   add [133 133 133]   absdiff [67 67 67]   min [33 0 0]   bitwise_and [32 0 0]   bitwise_xor [69 100 100]
# Why it matters: pictures are clipped to a range by min and max, and low bits are masked away by bitwise_and. Code that
#   was tried on grey pictures keeps the low bits of two channels, or blackens them, in colour.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import cv2
import numpy as np

colour, grey = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8), 100, np.uint8)
seen = {}
for name in ("add", "subtract", "absdiff", "multiply", "min", "max", "bitwise_and", "bitwise_or", "bitwise_xor"):
    function = getattr(cv2, name)
    seen[name] = function(colour, 33)[0, 0].tolist()
    assert seen[name][0] == int(function(grey, 33)[0, 0]), "behaviour has changed"
print(seen)
for name in ("add", "subtract", "absdiff", "multiply"):
    assert len(set(seen[name])) == 1, "behaviour has changed"
assert seen["min"] == [33, 0, 0] and seen["max"] == [100, 100, 100], "behaviour has changed"
assert seen["bitwise_and"] == [32, 0, 0] and seen["bitwise_xor"] == [69, 100, 100], "behaviour has changed"
assert cv2.max(colour, 150)[0, 0].tolist() == [150, 100, 100], "behaviour has changed"
PY
