#!/usr/bin/env bash
# joblib: equal torch tensors have different hashes, so a cache keyed by them misses.
#
# Believed: joblib hashes a tensor by its numbers, as it does a numpy array.
# Seen (joblib 1.6.0, torch 2.13.0, numpy 2.4.6, Python 3.11, Linux x86-64): hash(t) is stable for the same object
#   only. A clone, and the same numbers made again, have other hashes; Memory computes anew each time, in the same
#   process, and stores each result.
# Output seen:
#   numpy: hash of a copy equal: True    torch: hash of a clone equal: False
#   cached function called 3 times on equal tensors: computed 3 times (numpy: once)
# Why it matters: results cached "by content of the release" (a trained decoder, a slow attack) are recomputed without
#   a word, and a check that two releases are the same by joblib.hash says no.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 joblib==1.6.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import tempfile

import joblib
import numpy as np
import torch

array, tensor = np.arange(6.0), torch.arange(6.0)
arrays = joblib.hash(array) == joblib.hash(array.copy())
tensors = joblib.hash(tensor) == joblib.hash(tensor.clone())
print("numpy: hash of a copy equal:", arrays, "  torch: hash of a clone equal:", tensors)
counts = {}
with tempfile.TemporaryDirectory() as folder:
    memory = joblib.Memory(folder, verbose=0)

    @memory.cache(ignore=["log"])
    def attack(release, log):
        log.append(1)
        return float(release.sum())

    for name, release, again in (("numpy", array, array.copy), ("torch", tensor, tensor.clone)):
        log = []
        kept = [release, again(), again()]
        for each in kept:
            attack(each, log)
        counts[name] = len(log)
print("computed for 3 equal inputs:", counts)
assert arrays and not tensors and counts == {"numpy": 1, "torch": 3}, "behaviour has changed"
PY
