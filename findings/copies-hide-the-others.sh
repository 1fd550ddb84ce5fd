#!/usr/bin/env bash
# hnswlib: among copies, half of the pictures that are in the index are not found by themselves.
#
# Believed: a nearest-neighbour graph is approximate among near candidates; what is in the index at distance 0 is found,
#   and copies only make it easier.
# Seen (hnswlib 0.8.0, numpy 2.4.6, Python 3.11, Linux x86-64; defaults, one thread): each of 50 pictures is in the
#   index 200 times. The neighbours of a copy are its copies, so the graph falls into islands, and a search ends on the
#   island it begins near. 200 candidates instead of 10 mend a part of it; noise of 1e-4 on the pixels, or 10,000 pictures that
#   differ, nearly all.
# Output seen (share of the 50 pictures found when searched for by themselves):
#   200 copies each 0.50, with ef=200 0.72   the same with noise of 1e-4 0.98   10,000 different pictures 0.98
# Why it matters: encodings without a fresh key are copies of one another, and that is what an audit or a search for
#   duplicates is to find. The more often a release repeats itself, the less of it such an index finds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile hnswlib==0.8.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import hnswlib
import numpy as np

rng = np.random.default_rng(0)
pictures = rng.random((50, 64), dtype=np.float32)


def found(rows, owner, ef=10):
    index = hnswlib.Index("l2", 64)
    index.init_index(len(rows))
    index.add_items(rows, num_threads=1)
    index.set_ef(ef)
    near, _ = index.knn_query(pictures, 1, num_threads=1)
    return float((owner[near[:, 0]] == np.arange(50)).mean())


copies, owner = np.repeat(pictures, 200, axis=0), np.repeat(np.arange(50), 200)
noisy = copies + 1e-4 * rng.standard_normal(copies.shape, dtype=np.float32)
others = np.concatenate([pictures, rng.random((9950, 64), dtype=np.float32)])
seen = found(copies, owner), found(copies, owner, 200), found(noisy, owner), found(others, np.arange(10000))
print("copies {:.2f}, with ef=200 {:.2f}   noise of 1e-4 {:.2f}   10,000 different {:.2f}".format(*seen))
assert seen[0] < 0.8 and seen[2] > 0.9 and seen[3] > 0.9, "behaviour has changed"
PY
