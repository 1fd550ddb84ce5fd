#!/usr/bin/env bash
# pydicom: after `set_pixel_data` with an encoding, the file still holds the picture, small.
#
# Believed: set_pixel_data replaces the picture and brings all that describes its pixels in line ("added, updated or
#   removed as necessary").
# Seen (pydicom 3.0.2, numpy 2.4.6, Python 3.11, Linux x86-64): it does so for size, bits and colours, and gives a new
#   instance UID. The icon (IconImageSequence, which viewers and archives make) stays as it was; so do rescale slope and
#   intercept, the window, and the smallest pixel value and the padding value of the old picture, which is then what
#   apply_modality_lut and a viewer work with.
# Output seen (32 x 32 picture with a 16 x 16 icon, replaced by noise, written and read):
#   pixels of the icon that are the picture's 1.0   noise 0 to 255 comes out of its own rescale as -1024 to -514
# Why it matters: it is the obvious way to write encoded scans back into the files they came from. The release keeps a
#   quarter of each picture where no metric looks for it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps pydicom==3.0.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut

rng = np.random.default_rng(0)
picture, noise = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
scan, icon = Dataset(), Dataset()
for data, pixels in ((scan, picture), (icon, picture[::2, ::2])):
    data.set_pixel_data(np.ascontiguousarray(pixels), "MONOCHROME2", 8)
del icon.SOPInstanceUID
scan.IconImageSequence = [icon]
scan.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
scan.RescaleSlope, scan.RescaleIntercept, scan.SmallestImagePixelValue = 2, -1024, int(picture.min())
scan.set_pixel_data(noise, "MONOCHROME2", 8)
file = io.BytesIO()
scan.save_as(file, enforce_file_format=True)
read = pydicom.dcmread(io.BytesIO(file.getvalue()))
assert np.array_equal(read.pixel_array, noise)
small = np.frombuffer(read.IconImageSequence[0].PixelData, np.uint8).reshape(16, 16)
same = float((small == picture[::2, ::2]).mean())
values = apply_modality_lut(read.pixel_array, read)
print(f"icon {same}   rescaled {values.min():.0f} to {values.max():.0f}")
assert same == 1.0 and values.min() == -1024 + 2 * int(noise.min()), "behaviour has changed"
assert "SmallestImagePixelValue" in read, "behaviour has changed"
PY
