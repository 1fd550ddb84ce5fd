#!/usr/bin/env bash
# scikit-image: a file of three grey pictures is read as one colour picture, and one of five as five.
#
# Believed: `skimage.io.imread` gives the pages of a TIFF as tifffile does, which it calls: (pages, height, width).
# Seen (scikit-image 0.26.0, tifffile 2026.3.3, numpy 2.4.6, Python 3.11, Linux x86-64): where the first axis has length
#   3 or 4 and the last does not, it is moved to the end, although the file says that zero is black and there is no
#   colour. The pictures are now the channels of one; those of a file with 2 or 5 pages stay where they are.
# Output seen (what is read of a file of n pictures of 28 x 28):
#   n = 2 (2, 28, 28)   3 (28, 28, 3)   4 (28, 28, 4)   5 (5, 28, 28)
# Why it matters: three X-rays become one patient's picture, which is scored and counted as one; four have an alpha.
#   That the loader works was seen on a file of ten.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 tifffile==2026.3.3 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import skimage.io
import tifffile

seen = []
for n in (2, 3, 4, 5):
    pictures = np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    tifffile.imwrite("pictures.tif", pictures, photometric="minisblack")
    with tifffile.TiffFile("pictures.tif") as file:
        assert len(file.pages) == n and file.pages[0].photometric.name == "MINISBLACK", "behaviour has changed"
    assert tifffile.imread("pictures.tif").shape == (n, 28, 28), "behaviour has changed"
    seen.append(skimage.io.imread("pictures.tif").shape)
print("n = 2 {}   3 {}   4 {}   5 {}".format(*seen))
assert seen == [(2, 28, 28), (28, 28, 3), (28, 28, 4), (5, 28, 28)], "behaviour has changed"
PY
