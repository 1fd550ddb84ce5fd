#!/usr/bin/env bash
# dp-accounting: Laplace noise has finite epsilon, and both accountants report infinity at delta = 0.
#
# Believed: get_epsilon(0) of one Laplace mechanism with scale 1 is 1, its definition.
# Seen (dp-accounting 0.6.0, numpy 2.4.6, Python 3.11, Linux x86-64): PLDAccountant and RdpAccountant say inf at delta
#   0, PLDAccountant also at 1e-20. At 1e-9 the first says 1.000, and the second 1.012, more than the pure epsilon.
#   The distribution below the accountant knows the answer (1.0 at delta 0) until it is composed: ten of them have inf
#   at 0 and 10.0 at 1e-12.
# Output seen:
#   PLD: 0 inf   1e-20 inf   1e-09 1.000      RDP: 0 inf   1e-09 1.012
#   the distribution itself at 0: 1.0, ten composed at 0: inf, at 1e-12: 10.000
# Why it matters: DP-Pix and DP-InstaHide claim pure epsilon by Laplace noise. An audit that asks an accountant for
#   the claim at delta 0 gets "no privacy" for a scheme that has it, and must compose pure epsilons by adding.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps dp-accounting==0.6.0 absl-py==2.5.1 attrs==26.1.0 \
  dm-tree==0.1.10 wrapt==2.5.2 mpmath==1.3.0 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from dp_accounting import LaplaceDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.pld.privacy_loss_distribution import from_laplace_mechanism
from dp_accounting.rdp import RdpAccountant

seen = {}
for name, accountant in (("PLD", PLDAccountant()), ("RDP", RdpAccountant())):
    accountant.compose(LaplaceDpEvent(1.0))
    seen[name] = {delta: float(accountant.get_epsilon(delta)) for delta in (0, 1e-20, 1e-9)}
    print(name, {k: round(v, 3) for k, v in seen[name].items()})
one = from_laplace_mechanism(1.0)
ten = one.self_compose(10)
below = [float(d.get_epsilon_for_delta(delta)) for d, delta in ((one, 0), (ten, 0), (ten, 1e-12))]
print("the distribution itself at 0:", below[0], " ten composed at 0:", below[1], " at 1e-12:", round(below[2], 3))
inf = float("inf")
assert seen["PLD"][0] == seen["PLD"][1e-20] == seen["RDP"][0] == inf, "behaviour has changed"
assert abs(seen["PLD"][1e-9] - 1) < 1e-3 and seen["RDP"][1e-9] > 1.005, "behaviour has changed"
assert below[0] == 1.0 and below[1] == inf and abs(below[2] - 10) < 0.01, "behaviour has changed"
PY
