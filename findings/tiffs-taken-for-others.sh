#!/usr/bin/env bash
# Pillow: signed, 32-bit, white-zero and plane-wise TIFFs open without a word and hold other pictures.
#
# Believed: a TIFF that opens holds what was saved, as it does in tifffile, or an error says that its kind is not read.
# Seen (pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6, Python 3.11, Linux x86-64): int8 comes back modulo 256; uint32
#   from 2^31 on as negative numbers; 16-bit greys whose zero is white are not inverted (8-bit ones are); 16-bit
#   colours that lie in planes come back as the bytes of the first half of each plane, one pixel a byte.
# Output seen (share of the pixels that are as saved, white zeros inverted; of the bytes of half a plane):
#   int8 0.0   uint32 0.508   white zero: 8 bits 1.0, 16 bits 0.0   half a plane 1.0
# Why it matters: X-rays and micrographs are kept so. A negative or a wrapped picture is scored as the private one, and an
#   attack that finds the real one scores near zero: a leak that passes the audit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import sys

import numpy as np
import tifffile
from PIL import Image

path = sys.argv[1] + "/a.tif"
grey = (np.indices((64, 64)).sum(0) * 2).astype(np.uint8)
grey[0, 0] = 255


def opened(values, **options):
    tifffile.imwrite(path, values, **options)
    return np.asarray(Image.open(path)).astype(np.float64)


signed = (grey.astype(np.int16) - 255).clip(-128, -1).astype(np.int8)
int8 = float((opened(signed) == signed).mean())
long = grey.astype(np.uint32) << 24
uint32 = float((opened(long) == long).mean())
eight = float((opened(grey, photometric="miniswhite") == 255 - grey).mean())
deep = grey.astype(np.uint16) * 257
sixteen = float((opened(deep, photometric="miniswhite") == 65535 - deep).mean())
colours = np.random.default_rng(0).integers(0, 65536, (3, 64, 64)).astype(np.uint16)
found = opened(colours, photometric="rgb", planarconfig="separate")
half = np.frombuffer(colours[0].tobytes(), np.uint8)[: 64 * 64].reshape(64, 64)
planes = float((found[..., 0] == half).mean())
print(f"int8 {int8}   uint32 {uint32:.3f}   white zero: 8 bits {eight}, 16 bits {sixteen}   half a plane {planes}")
assert int8 == 0 and uint32 < 0.9 and eight == 1 and sixteen < 0.1 and planes == 1, "behaviour has changed"
PY
