#!/usr/bin/env bash
# faiss: the "random rotation" is the same matrix in every index, every process and for all data.
#
# Believed: RandomRotationMatrix and the projection of IndexLSH are drawn when they are made, so that two indices have
#   two matrices unless a seed says otherwise.
# Seen (faiss-cpu 1.15.1, numpy 2.4.6, Python 3.11, Linux x86-64): training with other data gives the same matrix, as
#   do two IndexLSH of one size and the factory string "RR32,Flat"; `init(seed)` called by hand gives another.
# Output seen:
#   rotation [-0.0144  0.0609  0.368 ]   equal for other data True, in another process True, with init(1) False;
#   IndexLSH equal True
# Why it matters: codes and rotated features are released as "random projections" whose matrix is the secret. Here
#   whoever has the library has the matrix, and rotated features turn back exactly.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile faiss-cpu==1.15.1 numpy==2.4.6
cat >"$work/rotation.py" <<'PY'
import subprocess
import sys

import faiss
import numpy as np


def rotation(seed):
    made = faiss.RandomRotationMatrix(64, 32)
    made.train(np.random.default_rng(seed).normal(size=(300, 64)).astype(np.float32))
    return faiss.vector_to_array(made.A)


if sys.argv[1:] == ["alone"]:
    print(rotation(5).tobytes().hex())
    raise SystemExit
mine = rotation(0)
data = bool(np.array_equal(mine, rotation(1)))
other = subprocess.run([sys.executable, __file__, "alone"], capture_output=True, text=True, check=True).stdout.strip()
process = other == mine.tobytes().hex()
asked = faiss.RandomRotationMatrix(64, 32)
asked.init(1)
seeded = bool(np.array_equal(mine, faiss.vector_to_array(asked.A)))
lsh = [faiss.IndexLSH(64, 128) for _ in range(2)]
codes = bool(np.array_equal(*(faiss.vector_to_array(index.rrot.A) for index in lsh)))
print(f"rotation {mine[:3].round(4)}   equal for other data {data}, in another process {process}, with init(1) {seeded};")
print(f"IndexLSH equal {codes}")
assert (data, process, seeded, codes) == (True, True, False, True), "behaviour has changed"
PY
"$work/venv/bin/python" "$work/rotation.py"
