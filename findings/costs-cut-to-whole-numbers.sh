#!/usr/bin/env bash
# ortools: float costs are accepted by its matcher and cut to whole numbers, and "optimal" is the answer to those.
#
# Believed: a solver of whole-number costs refuses an array of floats, as it refuses a float.
# Seen (ortools 9.15.6755, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): add_arc_with_cost(0, 0, 0.5) is a
#   TypeError. The vectorised add_arcs_with_cost takes a float64 array and drops the fractions without a word; solve()
#   returns OPTIMAL. All distances below 1 are 0 then.
# Output seen (40 pictures against noisy copies in other order, root mean square distances in 0..1):
#   scipy matches 1.00, ortools 0.15 (OPTIMAL, cost 0)   distances times 10,000: 1.00
# Why it matters: distances between pictures in 0..1 lie below 1. A matcher that answers without looking reads as
#   encodings that cannot be told apart, with a proof of optimality; with the copies in the same order it could as well
#   be right about all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile ortools==9.15.6755 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from ortools.graph.python.linear_sum_assignment import SimpleLinearSumAssignment
from scipy.optimize import linear_sum_assignment

rng = np.random.default_rng(0)
pictures = rng.random((40, 64))
order = rng.permutation(40)
copies = pictures[order] + 0.05 * rng.standard_normal((40, 64))
distances = np.sqrt(((pictures[:, None] - copies) ** 2).mean(2))
left, right = np.indices(distances.shape).reshape(2, -1)
truth = np.argsort(order)


def matched(costs):
    solver = SimpleLinearSumAssignment()
    solver.add_arcs_with_cost(left, right, costs.ravel())
    optimal = solver.solve() == solver.OPTIMAL
    return float(np.mean([solver.right_mate(i) == truth[i] for i in range(40)])), optimal, solver.optimal_cost()


try:
    SimpleLinearSumAssignment().add_arc_with_cost(0, 0, 0.5)
    refused = False
except TypeError:
    refused = True
scipy = float((linear_sum_assignment(distances)[1] == truth).mean())
floats, whole = matched(distances), matched(np.rint(distances * 10_000).astype(np.int64))
print(f"scipy {scipy:.2f}   ortools {floats}   times 10,000 {whole}   one float refused {refused}")
assert refused and scipy == 1 and whole[0] == 1 and floats[0] < 0.5 and floats[1:] == (True, 0), "behaviour has changed"
PY
