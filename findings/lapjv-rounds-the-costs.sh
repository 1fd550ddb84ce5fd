#!/usr/bin/env bash
# lapjv: costs in float64 are solved in float32, and the assignment is wrong.
#
# Believed: a solver that takes a float64 matrix solves that matrix, as scipy's linear_sum_assignment does.
# Seen (lapjv 1.3.29, scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): the costs are rounded to float32 unless
#   force_doubles=True is passed. 50 x 50 costs of 10,000 + .001 * uniform: all are equal after that.
# Output seen (rows assigned as scipy assigns them): lapjv 0.02   lapjv(force_doubles=True) 1.00
# Why it matters: squared distances between long encodings are large and differ little; the matcher's accuracy then
#   depends on the library, not on the encoding, and low accuracy reads as privacy.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps lapjv==1.3.29 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from lapjv import lapjv
from scipy.optimize import linear_sum_assignment

cost = 1e4 + 1e-3 * np.random.default_rng(0).random((50, 50))
best = linear_sum_assignment(cost)[1]
plain, double = lapjv(cost)[0], lapjv(cost, force_doubles=True)[0]
same = float((plain == best).mean()), float((double == best).mean())
print(f"assigned as scipy assigns: lapjv {same[0]:.2f}   lapjv(force_doubles=True) {same[1]:.2f}")
assert cost.dtype == np.float64 and same[0] < 0.5 and same[1] == 1.0, "behaviour has changed"
PY
