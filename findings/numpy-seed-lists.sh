#!/usr/bin/env bash
# numpy: the lists [s] and [s, 0] are one seed, and so are other lists of different length.
#
# Believed: `default_rng([secret, image])` gives every image a stream of its own, apart from `default_rng(secret)`
#   too.
# Seen (numpy 2.4.6, Python 3.11, Linux x86-64): SeedSequence writes all integers one after another as 32-bit words
#   and fills up to four words with zeros. So image 0 repeats the stream of the bare secret, [5, 7] is the single
#   integer 5 + 7 * 2**32, [1, 2**32 + 5] is [1, 5, 1], and the second child that SeedSequence(5) spawns is [5, 0, 0,
#   0, 1]. RandomState, the older interface, tells [1] from 1.
# Output seen:
#   7 and [7, 0]: True       [7] and [7, 0, 0, 0]: True       [7] and [7, 0, 0, 0, 0]: False
#   [5, 7] and 5 + 7 * 2**32: True      [1, 2**32 + 5] and [1, 5, 1]: True
#   spawn()[1] of 5 and [5, 0, 0, 0, 1]: True      RandomState: 7 and [7]: False
# Why it matters: a key made from (secret, index) looks fresh for every image, and the noise or mask of image 0 is the
#   one that the bare secret gives elsewhere; an audit that counts distinct keys by their lists counts too many.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np


def stream(seed):
    return np.random.default_rng(seed).integers(0, 2**63, 8).tolist()


cases = {
    "7 and [7, 0]": (stream(7) == stream([7, 0]), True),
    "[7] and [7, 0, 0, 0]": (stream([7]) == stream([7, 0, 0, 0]), True),
    "[7] and [7, 0, 0, 0, 0]": (stream([7]) == stream([7, 0, 0, 0, 0]), False),
    "[5, 7] and 5 + 7 * 2**32": (stream([5, 7]) == stream(5 + 7 * 2**32), True),
    "[1, 2**32 + 5] and [1, 5, 1]": (stream([1, 2**32 + 5]) == stream([1, 5, 1]), True),
    "spawn()[1] of 5 and [5, 0, 0, 0, 1]": (
        stream(np.random.SeedSequence(5).spawn(2)[1]) == stream([5, 0, 0, 0, 1]),
        True,
    ),
    "RandomState: 7 and [7]": (
        np.random.RandomState(7).bytes(32) == np.random.RandomState([7]).bytes(32),
        False,
    ),
}
for name, (same, _) in cases.items():
    print(f"{name}: {same}")
assert all(same == expected for same, expected in cases.values()), "behaviour has changed"
PY
