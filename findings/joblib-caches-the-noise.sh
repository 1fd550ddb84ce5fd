#!/usr/bin/env bash
# joblib: a cached encoder gives fresh noise in the first run and the same noise over and over in the second.
#
# Believed: `memory.cache` on `encode(picture, rng)` is safe, as rng is an argument: another state, another result.
# Seen (joblib 1.6.0, numpy 2.4.6, Python 3.11, Linux x86-64): the state is the key, and it is right. But a hit does
#   not run the body, so rng does not move on, and the next call is the same hit. In the first run two encodings of
#   one picture differ; in the second, with the same seed, the second encoding is the first.
# Output seen (two encodings of a zero, standard normal noise):
#   first run:  0.126 -0.132
#   second run: 0.126 0.126
# Why it matters: noise that repeats is a key that repeats; two encodings under the same noise subtract to the
#   difference of the pictures. The program that leaks is the one that passed its test on an empty cache.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps joblib==1.6.0 cloudpickle==3.1.3 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import tempfile

import joblib
import numpy as np

with tempfile.TemporaryDirectory() as folder:
    memory = joblib.Memory(folder, verbose=0)

    @memory.cache
    def encode(picture, rng):
        return picture + rng.normal()

    runs = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        runs.append([float(encode(0.0, rng)), float(encode(0.0, rng))])
print("first run: ", [round(v, 3) for v in runs[0]])
print("second run:", [round(v, 3) for v in runs[1]])
assert runs[0][0] != runs[0][1] and runs[1][0] == runs[1][1] == runs[0][0], "behaviour has changed"
PY
