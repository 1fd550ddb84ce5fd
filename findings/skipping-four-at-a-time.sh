#!/usr/bin/env bash
# numpy: Philox.advance(n) skips 4 n numbers, or up to three more.
#
# Believed: `advance(n)` goes on "as if n draws have occurred", as its documentation has it and as PCG64 does.
# Seen (numpy 2.4.6, randomgen 2.5.1, Python 3.11, Linux x86-64): Philox makes four numbers at a time, and n counts
#   these fours; what is left of a four that was begun is dropped. randomgen's Philox, the same algorithm by one of the
#   same authors, skips n.
# Output seen (number that comes next after advance(4), fresh; after one number drawn):
#   numpy Philox 16; 20   numpy PCG64 4; 5   randomgen Philox 4; 5
# Why it matters: advance is how an encoder gives image i its part of one stream, or is resumed. A key search or replay
#   that counts draws reads other noise than the scheme for the right key, and answers "not this key"; an encoder that
#   is moved from one library to the other decodes nothing it encoded.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps randomgen==2.5.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import randomgen

seen = []
for kind in (np.random.Philox, np.random.PCG64, randomgen.Philox):
    stream = [int(number) for number in kind(7).random_raw(64)]
    fresh, begun = kind(7), kind(7)
    begun.random_raw()
    for generator in (fresh, begun):
        generator.advance(4)
    seen.append(tuple(stream.index(int(generator.random_raw())) for generator in (fresh, begun)))
print("numpy Philox {}   numpy PCG64 {}   randomgen Philox {}".format(*seen))
assert seen == [(16, 20), (4, 5), (4, 5)], "behaviour has changed"
PY
