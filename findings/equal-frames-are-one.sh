#!/usr/bin/env bash
# Pillow: of six pictures saved in one file four come back, if some are equal to the one before.
#
# Believed: as many pictures as `save_all=True` was given are read back, in their order.
# Seen (pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): GIF and WebP keep a picture that is equal to the one
#   before as time for which that is shown, so n_frames is smaller and the later ones move up. PNG keeps all, TIFF too.
# Output seen (6 grey pictures, the fourth like the third and the sixth like the fifth; lossless WebP; number read,
#   and of these how many are where they were saved):
#   GIF 4, 3   WEBP 4, 3   PNG 6, 6   TIFF 6, 6
# Why it matters: labels and originals are kept beside by their number. After the first two equal ones all pairs are
#   wrong: reconstructions are scored against another's original, a leak that passes. Equal neighbours are what an
#   encoder without a fresh key, and blank slices of a scan, make.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io

import numpy as np
from PIL import Image

pictures = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
pictures[3], pictures[5] = pictures[2], pictures[4]
seen = {}
for kind, options in {"GIF": {}, "WEBP": {"lossless": True}, "PNG": {}, "TIFF": {}}.items():
    file = io.BytesIO()
    first, *rest = map(Image.fromarray, pictures)
    first.save(file, kind, save_all=True, append_images=rest, **options)
    image = Image.open(io.BytesIO(file.getvalue()))
    places = 0
    for number in range(image.n_frames):
        image.seek(number)
        places += np.array_equal(np.asarray(image.convert("L")), pictures[number])
    seen[kind] = image.n_frames, places
print(seen)
assert seen == {"GIF": (4, 3), "WEBP": (4, 3), "PNG": (6, 6), "TIFF": (6, 6)}, "behaviour has changed"
PY
