#!/usr/bin/env bash
# scipy: the sparse matcher matches every picture with another one than its exact copy.
#
# Believed: min_weight_full_bipartite_matching of distances gives what linear_sum_assignment gives; of a distance 0 that
#   is stored in the matrix it is known that it is there.
# Seen (scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): a weight of 0 is no edge, also where it is stored
#   (documented for the whole module). Two lists of the same pictures are matched without one right pair; a warning says
#   that stored zeros are removed, and none comes where the sparse matrix was made of a dense one, which stores none.
#   minimum_spanning_tree leaves copies unlinked for the same reason, without a word.
# Output seen (100 pictures, and the same in the same order; pairs that are right; 200 pictures in 100 equal pairs):
#   linear_sum_assignment 100   stored zeros 0   distances + 1e-9 100   parts of the spanning tree 200
# Why it matters: the better an attack, the more of its distances are 0 (labels, hashes, 8-bit pictures read exactly):
#   where it recovers all, the score of the matching is that of the second best. Sparse matrices come in where a release
#   is too large for all pairs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching, minimum_spanning_tree
from scipy.spatial.distance import cdist

pictures = np.random.default_rng(0).integers(0, 256, (100, 64)).astype(float)
distance = cdist(pictures, pictures)


def stored(values):
    rows, columns = np.indices(values.shape)
    return coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=values.shape).tocsr()


def right(pairs):
    return int((pairs[0] == pairs[1]).sum())


assert stored(distance).nnz == 100 * 100
dense = right(linear_sum_assignment(distance))
sparse = right(min_weight_full_bipartite_matching(stored(distance)))
lifted = right(min_weight_full_bipartite_matching(stored(distance + 1e-9)))
twice = np.repeat(pictures, 2, axis=0)
near = coo_array((cdist(twice[::2], twice[1::2]).diagonal(), (np.arange(0, 200, 2), np.arange(1, 200, 2))), (200, 200))
parts, _ = connected_components(minimum_spanning_tree(near.tocsr()), directed=False)
print(f"linear_sum_assignment {dense}   stored zeros {sparse}   + 1e-9 {lifted}   parts {parts}")
assert (dense, sparse, lifted, parts) == (100, 0, 100, 200), "behaviour has changed"
PY
