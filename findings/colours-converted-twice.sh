#!/usr/bin/env bash
# pydicom: pixel_array is already RGB where the data set still says YBR_FULL.
#
# Believed: PhotometricInterpretation names the colours of pixel_array, so YBR_FULL is converted by
#   convert_color_space.
# Seen (pydicom 3.0.2, numpy 2.4.6, Python 3.11, Linux x86-64): pixel_array converts on its own, the attribute stays.
#   Code that asks the attribute converts a second time, and values end up to 249 levels off.
# Output seen (8 x 8 RGB noise, written as YBR_FULL, uncompressed):
#   attribute afterwards: YBR_FULL   largest error: pixel_array 1, converted again 249
# Why it matters: ultrasound and microscopy sets prepared by a loader that asks the attribute have false colours; the
#   encodings of such a set, and the scores against "the originals", are of those.
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
from pydicom.pixels import convert_color_space
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = SecondaryCaptureImageStorage
ds.SOPInstanceUID = "1.2.3"
ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 8, 8, 3, 0
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
ds.PhotometricInterpretation = "YBR_FULL"
ds.PixelData = convert_color_space(rgb, "RGB", "YBR_FULL").tobytes()
file = io.BytesIO()
ds.save_as(file, enforce_file_format=True)
file.seek(0)
read = pydicom.dcmread(file)
once = read.pixel_array
twice = convert_color_space(once, read.PhotometricInterpretation, "RGB")
errors = [int(np.abs(v.astype(int) - rgb).max()) for v in (once, twice)]
print(f"attribute: {read.PhotometricInterpretation}   largest error: once {errors[0]}, converted again {errors[1]}")
assert read.PhotometricInterpretation == "YBR_FULL" and errors[0] <= 2 and errors[1] > 100, "behaviour has changed"
PY
