#!/usr/bin/env bash
# numpy: a generator resumed from its state goes on with its numbers and starts again with its children.
#
# Believed: `bit_generator.state`, saved and set, is the whole generator; what follows is what would have followed.
# Seen (numpy 2.4.6, Python 3.11, Linux x86-64): true of the numbers. How many children were spawned is kept in the seed
#   sequence, which is not in the state: the first child after resuming is the first child of before, number for
#   number. A generator that was pickled knows. Where the resumed program makes its generator without a seed, as it
#   sets the state anyway, its children are those of another seed each time.
# Output seen (first number of each of three children, then of two after resuming):
#   children 0.7979 0.4806 0.6320   resumed by state: numbers go on True, children 0.7979 0.4806
#   pickled: children 0.9823 0.8581
# Why it matters: one child per picture is the way numpy recommends. An encoder that was stopped and resumed gives the
#   pictures that follow the noise of the first ones; two encodings under one noise subtract to the difference of the
#   pictures.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import pickle

import numpy as np


def children(rng, n):
    return [child.random() for child in rng.spawn(n)]


rng = np.random.default_rng(7)
before = children(rng, 3)
state, kept = rng.bit_generator.state, pickle.dumps(rng)
resumed = np.random.default_rng(7)
resumed.bit_generator.state = state
pickled = pickle.loads(kept)
goes_on = bool((resumed.random(5) == rng.random(5)).all())
again, onward, real = children(resumed, 2), children(pickled, 2), children(rng, 2)
print("children", np.round(before, 4), " resumed: numbers go on", goes_on, "children", np.round(again, 4))
print("pickled: children", np.round(onward, 4))
assert goes_on and again == before[:2] and onward == real and not set(real) & set(before), "behaviour has changed"
PY
