#!/usr/bin/env bash
# nibabel: what was set to 0 in `get_fdata()` of a scan is in the file that is saved from it.
#
# Believed: `get_fdata()` is the scan's array: it shows the edit whenever it is asked again, and `nibabel.save` writes
#   it.
# Seen (nibabel 5.4.2, numpy 2.4.6, Python 3.11, Linux x86-64): of a scan that was loaded, `get_fdata()` is a cache and
#   `save` writes the voxels of the old file, though the scan goes on showing the zeros. Of a scan that was made from a
#   float64 array, of the same class, it is the array, and the edit is saved; of one made from int16 it is not.
# Output seen (largest value in the half that was set to 0: as the scan shows it, and in the file saved from it):
#   loaded 0, 999   made from float64 0, 0   made from int16 0, 999
# Why it matters: this is how a face is taken out of a head scan before it is given away or encoded. Whoever looks at
#   the scan sees it gone; who opens the file sees the face.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile nibabel==5.4.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import nibabel
import numpy as np

voxels = np.random.default_rng(0).integers(1, 1000, (16, 16, 16)).astype(np.int16)
nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), "scan.nii")
scans = {
    "loaded": nibabel.load("scan.nii"),
    "made from float64": nibabel.Nifti1Image(voxels.astype(np.float64), np.eye(4)),
    "made from int16": nibabel.Nifti1Image(voxels.copy(), np.eye(4)),
}
seen = {}
for name, scan in scans.items():
    scan.get_fdata()[:8] = 0
    nibabel.save(scan, "saved.nii")
    seen[name] = int(scan.get_fdata()[:8].max()), int(nibabel.load("saved.nii").get_fdata()[:8].max())
print(seen)
assert seen == {"loaded": (0, 999), "made from float64": (0, 0), "made from int16": (0, 999)}, "behaviour has changed"
PY
