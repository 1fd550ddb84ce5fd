#!/usr/bin/env bash
# zarr: rows that were cut off by `resize` are in the file, and come back when the array grows again.
#
# Believed: what `resize` cuts off is gone, and rows that are added later hold the fill value, as in HDF5.
# Seen (zarr 3.1.6, h5py 3.16.0, numpy 2.4.6, Python 3.11, Linux x86-64): zarr drops whole chunks only (documented, as a
#   note). A chunk of which one row stays keeps all of its rows; whoever opens the array for writing and makes it longer
#   reads them. h5py overwrites the cut part of the chunk with the fill value, and removes the others.
# Output seen (10 pictures, cut to 1 and grown to 10 in another process; how many are as they were):
#   zarr, one chunk 10   zarr, chunks of 4 4   zarr, chunks of 1 1   h5py, one chunk 1
# Why it matters: resize is how pictures of those who withdrew are taken from the end of a release, and how a sample is
#   made of it. The shape says 1; who looks into the store finds the others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile zarr==3.1.6 h5py==3.16.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import h5py
import numpy as np
import zarr

pictures = np.random.default_rng(0).integers(1, 256, (10, 8, 8), dtype=np.uint8)
np.save("pictures.npy", pictures)
for rows in (10, 4, 1):
    array = zarr.create_array(f"{rows}.zarr", shape=pictures.shape, chunks=(rows, 8, 8), dtype="uint8")
    array[:] = pictures
    array.resize((1, 8, 8))
with h5py.File("10.h5", "w") as file:
    data = file.create_dataset("pictures", data=pictures, chunks=(10, 8, 8), maxshape=(None, 8, 8))
    data.resize(1, axis=0)
PY
"$work/venv/bin/python" - <<'PY'
import h5py
import numpy as np
import zarr

pictures = np.load("pictures.npy")


def back(array):
    return int((array == pictures).all((1, 2)).sum())


seen = []
for rows in (10, 4, 1):
    array = zarr.open_array(f"{rows}.zarr", mode="r+")
    assert array.shape == (1, 8, 8)
    array.resize((10, 8, 8))
    seen.append(back(array[:]))
with h5py.File("10.h5", "r+") as file:
    file["pictures"].resize(10, axis=0)
    seen.append(back(file["pictures"][:]))
print("zarr, chunks of 10, 4, 1: {} {} {}   h5py {}".format(*seen))
assert seen == [10, 4, 1, 1], "behaviour has changed"
PY
