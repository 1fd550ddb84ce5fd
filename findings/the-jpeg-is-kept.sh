#!/usr/bin/env bash
# pillow-jxl-plugin: a JPEG that was blackened in place is saved as JPEG XL without the black.
#
# Believed: `picture.save("x.jxl")` saves the pixels of the picture, as `save` does in every other format.
# Seen (pillow-jxl-plugin 1.3.8, pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): a picture whose format is JPEG
#   and whose file is still there is transcoded from that file, whatever became of its pixels since (lossless_jpeg, on
#   by default; a warning tells of a lossless reconstruction, not of what is lost). PNG, WebP and TIFF written from the
#   same object are black.
# Output seen (mean under the black bar):
#   in the picture 0.0   in PNG, WebP, TIFF 0.0, 0.0, 0.0   in JXL 124.9   in JXL of picture.copy() 0.0
# Why it matters: archives are converted to JPEG XL to save space, and bars over names and faces are drawn in place. The
#   file that leaves the house is the one that was to stay.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import pillow_jxl  # noqa: F401  registers the format
from PIL import Image, ImageDraw

Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save("picture.jpg")
picture = Image.open("picture.jpg")
ImageDraw.Draw(picture).rectangle((0, 0, 31, 15), fill=(0, 0, 0))


def saved(kind, image=picture):
    image.save("out." + kind, lossless=True)
    return float(np.asarray(Image.open("out." + kind).convert("RGB"))[:16].mean())


shown = float(np.asarray(picture)[:16].mean())
others = [saved(kind) for kind in ("png", "webp", "tiff")]
jxl, copy = saved("jxl"), saved("jxl", picture.copy())
print(f"in the picture {shown}   in PNG, WebP, TIFF {others}   in JXL {jxl:.1f}   of picture.copy() {copy}")
assert shown == copy == 0 and others == [0, 0, 0] and jxl > 100, "behaviour has changed"
PY
