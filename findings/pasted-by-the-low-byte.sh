#!/usr/bin/env bash
# Pillow: a grey of 40,000 pasted into a 16-bit picture is 16,448, and of 256 it is 0.
#
# Believed: `paste(grey, box)` fills the box with that grey, as `Image.new`, `putpixel` and `ImageDraw` do.
# Seen (pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): in mode I;16 the low byte of the grey is written into
#   both bytes of each pixel. No error is raised. The other three ways write the grey that was asked for.
# Output seen (what is there after a fill with 1, 255, 256, 40000, 65535):
#   paste 257, 65535, 0, 16448, 65535   Image.new, putpixel, ImageDraw 1, 255, 256, 40000, 65535
# Why it matters: a box over a face or a name in an X-ray is meant to be of the picture's mean grey, so that it does not
#   change what a network learns; it is another grey. Padding and cut-outs made so have random brightness.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image, ImageDraw

greys = [1, 255, 256, 40000, 65535]
seen = {"paste": [], "new": [], "putpixel": [], "ImageDraw": []}
for grey in greys:
    for name, found in seen.items():
        picture = Image.new("I;16", (4, 4), grey if name == "new" else 0)
        if name == "paste":
            picture.paste(grey, (0, 0, 4, 4))
        elif name == "putpixel":
            picture.putpixel((0, 0), grey)
        elif name == "ImageDraw":
            ImageDraw.Draw(picture).rectangle((0, 0, 3, 3), fill=grey)
        found.append(int(np.asarray(picture)[0, 0]))
print(seen)
assert seen["paste"] == [257, 65535, 0, 16448, 65535], "behaviour has changed"
assert seen["new"] == seen["putpixel"] == seen["ImageDraw"] == greys, "behaviour has changed"
PY
