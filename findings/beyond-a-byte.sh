#!/usr/bin/env bash
# h5py and zarr: the same numbers beyond a byte are cut off by one and taken modulo 256 by the other.
#
# Believed: `data[:] = numbers` into a data set of bytes does what it does in a numpy array of bytes, or is refused.
# Seen (h5py 3.16.0, zarr 3.1.6, numpy 2.4.6, Python 3.11, Linux x86-64): zarr does, 256 becomes 0. h5py leaves it to
#   HDF5, which cuts off at 0 and 255; not-a-number becomes 0. Neither says anything.
# Output seen (int32 -1, 0, 255, 256, 300, 70000 into uint8; share of a masked picture that is right without its mask):
#   numpy 255 0 255 0 44 112   zarr 255 0 255 0 44 112   h5py 0 0 255 255 255 255
#   a mask added and taken off, modulo 256: zarr 1.00, h5py 0.52
# Why it matters: additive masks, secret shares and one-time pads are sums modulo 256. Kept by h5py, every sum above 255
#   is 255: nearly half of the picture is lost to its owner, and the encodings are no longer uniform: where they are cut
#   off tells of the picture. The same code with zarr is a sound pad.
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

file = h5py.File("a.h5", "w")


def kept(numbers):
    in_h5py = file.create_dataset(f"{len(file)}", numbers.shape, "uint8")
    in_zarr = zarr.create_array(zarr.storage.MemoryStore(), shape=numbers.shape, dtype="uint8")
    in_numpy = np.zeros(numbers.shape, np.uint8)
    for data in (in_numpy, in_zarr, in_h5py):
        data[:] = numbers
    return in_numpy, in_zarr[:], in_h5py[:]


numbers = kept(np.array([-1, 0, 255, 256, 300, 70000], np.int32))
for name, values in zip(("numpy", "zarr", "h5py"), numbers):
    print(name, *values)
rng = np.random.default_rng(0)
picture, mask = rng.integers(0, 256, (2, 64, 64))
_, by_zarr, by_h5py = kept(picture + mask)
right = [float(((data.astype(int) - mask) % 256 == picture).mean()) for data in (by_zarr, by_h5py)]
print("mask taken off: zarr {:.2f}, h5py {:.2f}".format(*right))
wrapped, cut = [255, 0, 255, 0, 44, 112], [0, 0, 255, 255, 255, 255]
assert [n.tolist() for n in numbers] == [wrapped, wrapped, cut], "behaviour has changed"
assert right[0] == 1 and right[1] < 0.6, "behaviour has changed"
PY
