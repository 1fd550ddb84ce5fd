#!/usr/bin/env bash
# numpy: a masked picture is saved without its mask and with what the mask hides, or not at all, by where it goes.
#
# Believed: saving a masked array keeps the mask, or fills what is masked, or is refused in every function alike.
# Seen (numpy 2.4.6, h5py 3.16.0, pillow 13.0.0, torch 2.13.0 on the CPU, pyarrow 26.0.1, Python 3.11, Linux x86-64):
#   np.save to a path raises NotImplementedError; np.save to a buffer, np.savez and savez_compressed write the hidden
#   values and lose the mask, without a word. So do h5py, Image.fromarray and torch.as_tensor. pyarrow makes nulls,
#   and pickle keeps both.
# Output seen (share of the hidden pixels that are read back; the array that is read is not masked):
#   np.save to a path NotImplementedError   np.save to a buffer 1.0   savez 1.0   savez_compressed 1.0   h5py 1.0
#   Pillow 1.0   torch 1.0   pyarrow: nulls
# Why it matters: a mask is how a face or a burnt-in name is left out of a computation. Mean, plot and print of the
#   array leave it out; the release does not. An audit compares with the picture in which it is missing, so the leak
#   is in no figure.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 h5py==3.16.0 pillow==13.0.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import io

import h5py
import numpy as np
import pyarrow as pa
import torch
from PIL import Image

picture = np.random.default_rng(0).integers(1, 256, (8, 8), dtype=np.uint8)
hidden = np.zeros((8, 8), bool)
hidden[2:5, 2:5] = True
masked = np.ma.masked_array(picture, hidden)
try:
    np.save("picture.npy", masked)
    path = "written"
except NotImplementedError:
    path = "NotImplementedError"
buffer = io.BytesIO()
np.save(buffer, masked)
buffer.seek(0)
np.savez("one.npz", masked)
np.savez_compressed("two.npz", masked)
with h5py.File("three.h5", "w") as file:
    file["picture"] = masked
    three = file["picture"][:]
read = [np.load(buffer), np.load("one.npz")["arr_0"], np.load("two.npz")["arr_0"], three]
read += [np.asarray(Image.fromarray(masked)), torch.as_tensor(masked).numpy()]
shares = [float((np.asarray(r) == picture)[hidden].mean()) for r in read]
nulls = sum(pa.array(row).null_count for row in masked)
print("np.save to a path:", path, "  buffer, savez, savez_compressed, h5py, Pillow, torch:", *shares, "  nulls", nulls)
plain = not any(isinstance(r, np.ma.MaskedArray) for r in read)
changed = "behaviour has changed"
assert path == "NotImplementedError" and plain and shares == [1.0] * 6 and nulls == hidden.sum(), changed
PY
