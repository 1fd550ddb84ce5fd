#!/usr/bin/env bash
# scipy: a matcher that is given nothing is right about everything, as ties are decided in favour of the same index.
#
# Believed: where all pairs score alike the assignment is arbitrary, so its accuracy is that of chance, 1 in n.
# Seen (scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): linear_sum_assignment returns row i for column i, for
#   costs and for scores (maximize=True). It takes no random state. A score of one bit, "same class", is
#   enough for all to be right.
# Output seen (100 rows; true partner of row i is column i):
#   all equal: accuracy 1.00, maximize 1.00   with columns in random order 0.01
#   same class, of ten: accuracy 1.00, with columns in random order 0.10
# Why it matters: encodings are mostly released in the order of their pictures. An attack whose scores are constant (a
#   dead network, a flat patch, rounding) then re-identifies all of them, and the leak is in the scoring. The columns
#   have to be shuffled first, or ties drawn.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy.optimize import linear_sum_assignment

rng = np.random.default_rng(0)
rows = np.arange(100)


def accuracy(scores, shuffled=False, trials=200):
    if not shuffled:
        return float((linear_sum_assignment(scores, maximize=True)[1] == rows).mean())
    right = []
    for _ in range(trials):
        order = rng.permutation(100)
        right.append((order[linear_sum_assignment(scores[:, order], maximize=True)[1]] == rows).mean())
    return float(np.mean(right))


flat = np.ones((100, 100))
classes = rng.integers(0, 10, 100)
same = (classes[:, None] == classes).astype(float)
costs = float((linear_sum_assignment(flat)[1] == rows).mean())
found = [accuracy(flat), accuracy(flat, True), accuracy(same), accuracy(same, True)]
print(f"all equal: {costs:.2f}, maximize {found[0]:.2f}, shuffled {found[1]:.3f}")
print(f"same class: {found[2]:.2f}, shuffled {found[3]:.2f}")
assert costs == found[0] == 1 and found[1] < 0.05 and found[2] > found[3] + 0.05, "behaviour has changed"
PY
