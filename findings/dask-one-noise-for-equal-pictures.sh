#!/usr/bin/env bash
# dask: `client.map(encode, pictures)` gives equal pictures the same "random" noise.
#
# Believed: each task runs, so each draws its own noise.
# Seen (dask and distributed 2026.8.0, numpy 2.4.6, Python 3.11, Linux x86-64; LocalCluster in threads): submit and
#   map take every function for pure unless told pure=False. Calls with equal arguments are one task, which is run
#   once.
# Output seen (three equal pictures, and the same submit twice):
#   map: 1 different encoding of 3, 1 task      submit: the same numbers again: True
#   map with pure=False: 3 different encodings of 3
# Why it matters: equal pictures show as equal encodings, though the scheme draws fresh noise; and a study that
#   repeats a noisy encoding or a Monte-Carlo game by submitting it n times has one trial, reported as n without
#   spread.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile distributed==2026.8.0 dask==2026.8.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from dask.distributed import Client, LocalCluster


def encode(picture):
    return picture + np.random.normal(size=2)


pictures = [np.zeros(2) for _ in range(3)]
with (
    LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
    Client(cluster) as client,
):
    futures = client.map(encode, pictures)
    tasks = len({f.key for f in futures})
    pure = len({tuple(v) for v in client.gather(futures)})
    impure = len({tuple(v) for v in client.gather(client.map(encode, pictures, pure=False))})
    one, two = client.submit(np.random.rand, 3), client.submit(np.random.rand, 3)
    same = bool((one.result() == two.result()).all())
print(f"map: {pure} different of 3, {tasks} task; with pure=False: {impure}; submit repeats itself: {same}")
assert (pure, tasks, impure, same) == (1, 1, 3, True), "behaviour has changed"
PY
