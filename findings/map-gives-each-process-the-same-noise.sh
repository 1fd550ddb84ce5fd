#!/usr/bin/env bash
# datasets: with `map(..., num_proc=4)` every process draws the same noise, so each noise is used four times.
#
# Believed: pictures encoded by `map` get noise of their own, however many processes share the work; as they do with
#   one process, and with Python's random module in four.
# Seen (datasets 5.2.0, multiprocess 0.70.19, numpy 2.4.6, Python 3.11, Linux x86-64): the processes are forks, which
#   start with the parent's np.random, and a generator that the function refers to is copied to each. Only Python's
#   random is seeded anew. Picture i of one share has the noise of picture i of every other share.
# Output seen (different noises of 16 pictures; pictures 0 and 4 have the same):
#   one process: np.random 16   four: np.random 4, default_rng() outside the function 4, random 16
# Why it matters: the order of the set tells which pictures share a noise: two encodings subtract to the difference of
#   the pictures. A test with one process finds nothing, and num_proc is turned up for the real set.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile datasets==5.2.0 multiprocess==0.70.19 dill==0.4.1 numpy==2.4.6
cat >"$work/noise.py" <<'PY'
import random

import datasets
import numpy as np

datasets.disable_progress_bars()
outside = np.random.default_rng()


def encode(row):
    return {"numpy": np.random.normal(), "outside": outside.normal(), "python": random.gauss(0, 1)}


if __name__ == "__main__":
    pictures = datasets.Dataset.from_dict({"picture": list(range(16))})
    one, four = (pictures.map(encode, num_proc=n, load_from_cache_file=False) for n in (None, 4))
    alone = len(set(one["numpy"]))
    shared = {name: len(set(four[name])) for name in ("numpy", "outside", "python")}
    same = four["numpy"][0] == four["numpy"][4]
    print(f"one process: {alone}   four: {shared}   pictures 0 and 4 the same: {same}")
    assert alone == 16 and shared == {"numpy": 4, "outside": 4, "python": 16} and same, "behaviour has changed"
PY
HF_HOME="$work/home" "$work/venv/bin/python" -W ignore "$work/noise.py"
