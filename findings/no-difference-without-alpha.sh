#!/usr/bin/env bash
# Pillow: `ImageChops.difference(a, b).getbbox()` finds no difference between a picture and its negative, with alpha.
#
# Believed: the difference of two pictures has a bounding box, unless they are equal; a fourth channel that both share
#   changes nothing about that.
# Seen (pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): of RGBA and LA pictures, getbbox looks at alpha alone by
#   default (alpha_only=True). Two opaque pictures have an alpha difference of 0 everywhere, so the box is None whatever
#   the colours are. With RGB, or with alpha_only=False, it is the whole picture.
# Output seen (the box, for a picture and its negative):
#   RGB (0, 0, 28, 28)   RGBA None   LA None   RGBA, alpha_only=False (0, 0, 28, 28)
# Why it matters: the line is the usual test of whether two pictures are the same, in tests of encoders and in searches
#   for copies. Opaque PNGs with alpha pass all of them: every reconstruction is exact, and every encoding is the
#   picture.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image, ImageChops

colours = np.random.default_rng(0).integers(0, 100, (28, 28, 3), dtype=np.uint8)
picture, negative = Image.fromarray(colours), Image.fromarray(255 - colours)
boxes = [
    ImageChops.difference(picture.convert(mode), negative.convert(mode)).getbbox() for mode in ("RGB", "RGBA", "LA")
]
boxes.append(ImageChops.difference(picture.convert("RGBA"), negative.convert("RGBA")).getbbox(alpha_only=False))
print("RGB {}   RGBA {}   LA {}   RGBA, alpha_only=False {}".format(*boxes))
assert boxes == [(0, 0, 28, 28), None, None, (0, 0, 28, 28)], "behaviour has changed"
PY
