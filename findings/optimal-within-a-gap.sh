#!/usr/bin/env bash
# scipy: `milp` calls a matching optimal that is not, where all costs carry an offset.
#
# Believed: status 0, "Optimization terminated successfully", is the best solution up to rounding; adding a constant
#   to all costs of an assignment changes nothing.
# Seen (scipy 1.17.1 with its HiGHS, numpy 2.4.6, Python 3.11, Linux x86-64): HiGHS stops at a relative gap of 1e-4 by
#   default, and counts the offset in. 8 x 8 assignment with a side condition, costs 1000 + .1 * uniform: the cost
#   beyond the offset is more than twice the best one. options={"mip_rel_gap": 0} finds the best.
# Output seen (three instances; cost beyond 8000, default and best):
#   0.481 0.192   0.544 0.166   0.447 0.218      status 0 every time
# Why it matters: matching encodings to pictures under constraints (each picture k times, equal classes) is a MILP
#   with costs that are distances: large, and alike. The matching, and so the rate of re-identification, is not the
#   optimum.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

n = 8
once = np.vstack([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
worse = []
for seed in range(3):
    rng = np.random.default_rng(seed)
    cost, load = 1000 + 0.1 * rng.random(n * n), rng.random(n * n)
    rules = [LinearConstraint(once, 1, 1), LinearConstraint(load[None], -np.inf, 0.6 * load.sum() / n)]
    kind = {"integrality": np.ones(n * n), "bounds": Bounds(0, 1), "constraints": rules}
    plain = milp(cost, **kind)
    exact = milp(cost - 1000, options={"mip_rel_gap": 0}, **kind)
    chosen, best = (float(cost[r.x > 0.5].sum()) - 1000 * n for r in (plain, exact))
    print(f"cost beyond the offset {chosen:.3f}, best {best:.3f}; status {plain.status}: {plain.message[:38]}")
    assert plain.status == exact.status == 0, "behaviour has changed"
    worse.append(chosen > best + 0.05)
assert any(worse), "behaviour has changed"
PY
