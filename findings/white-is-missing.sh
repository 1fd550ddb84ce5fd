#!/usr/bin/env bash
# netCDF4: white pixels of 8-bit and 16-bit pictures are missing when they are read back.
#
# Believed: where no fill value was set, no value stands for "missing": what was written is read, as in h5py and xarray.
# Seen (netCDF4 1.7.5.1.post1, h5py 3.16.0, numpy 2.4.6, Python 3.11, Linux x86-64): every type has a default fill
#   value, and a pixel that equals it is masked on reading though it was written. For uint8 and uint16 that is the
#   largest number: 255 and 65535. The mean leaves it out, `filled(0)` makes it black. h5py reads the same file with the
#   pixels in it.
# Output seen (picture with a white half of 32 pixels and a black one; masked pixels, mean; h5py's mean):
#   uint8 32, 0.0, 127.5   uint16 32, 0.0, 32767.5   int32 of the same pixels 0, 32767.5, 32767.5
# Why it matters: overexposed and saturated pixels are white in photographs and X-rays. A release in this format has
#   another mean, another range and holes for an auditor than for who reads it by another library.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile netCDF4==1.7.5.1.post1 h5py==3.16.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import h5py
import netCDF4
import numpy as np

seen = {}
for kind, white in (("uint8", 255), ("uint16", 65535), ("int32", 65535)):
    picture = np.zeros((8, 8), kind)
    picture[:4] = white
    with netCDF4.Dataset("release.nc", "w") as file:
        file.createDimension("y", 8)
        file.createDimension("x", 8)
        file.createVariable("picture", kind, ("y", "x"))[:] = picture
    with netCDF4.Dataset("release.nc") as file:
        read = file["picture"][:]
        assert not hasattr(file["picture"], "_FillValue"), "behaviour has changed"
    with h5py.File("release.nc") as file:
        whole = float(file["picture"][:].mean())
    seen[kind] = int(np.ma.count_masked(read)), float(read.mean()), whole
print(seen)
expected = {"uint8": (32, 0.0, 127.5), "uint16": (32, 0.0, 32767.5), "int32": (0, 32767.5, 32767.5)}
assert seen == expected, "behaviour has changed"
PY
