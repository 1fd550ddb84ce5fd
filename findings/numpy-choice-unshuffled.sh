#!/usr/bin/env bash
# numpy: `choice(n, k, replace=False, shuffle=False)` puts index n - 1 last, or nowhere.
#
# Believed: shuffle=False saves time and leaves some arbitrary order; each place still holds each index equally often.
# Seen (numpy 2.4.6, Python 3.11, Linux x86-64; 20,000 draws of 5 from 20): the set is fair, the places are not. Index
#   19 is drawn in a quarter of the draws, as it should be, and then always stands last. The first place never holds
#   the indices 16 to 19.
# Output seen (how often index 19 stands at places 0 to 4): 0.000 0.000 0.000 0.000 0.253
#   shuffle=True: 0.051 0.050 0.050 0.052 0.049
#   largest index ever at place 0: 15 (shuffle=True: 19)
# Why it matters: a k-way mixup that takes its k pictures so and gives the places fixed coefficients (or a private and
#   a public half) tells from the coefficient which pictures are meant: the last place holds picture n - 1 with chance
#   k/n instead of 1/n.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np


def draws(shuffle):
    rng = np.random.default_rng(0)
    return np.array([rng.choice(20, 5, replace=False, shuffle=shuffle) for _ in range(20000)])


plain, shuffled = draws(False), draws(True)
last, fair = (plain == 19).mean(0), (shuffled == 19).mean(0)
print("index 19 at places 0..4, shuffle=False:", last.round(3), " shuffle=True:", fair.round(3))
print("largest index at place 0:", plain[:, 0].max(), "and", shuffled[:, 0].max())
assert (last[:4] == 0).all() and 0.24 < last[4] < 0.26 and plain[:, 0].max() == 15, "behaviour has changed"
assert (abs(fair - 0.05) < 0.01).all(), "behaviour has changed"
PY
