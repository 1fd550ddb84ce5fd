#!/usr/bin/env bash
# numpy: bytes drawn pixel by pixel are not the bytes drawn for the picture at once.
#
# Believed: `Generator.integers(0, 256, dtype=uint8)` walks one stream of bytes, however the draws are cut into calls.
# Seen (numpy 2.4.6, Python 3.11, Linux x86-64): each call takes whole 32-bit words, uses their bytes from the lowest
#   up, and throws the rest of the last word away. Calls of 4 continue each other, calls of 3 or 1 do not. And the
#   dtype decides the values: the same seed and bounds give other numbers as uint8, uint16 and int64.
# Output seen:
#   one call of 12:    [255, 228, 34, 121, 243, 189, 6, 131, 102, 168, 82, 193]
#   3 calls of 4:      [255, 228, 34, 121, 243, 189, 6, 131, 102, 168, 82, 193]
#   4 calls of 3:      [255, 228, 34, 243, 189, 6, 102, 168, 82, 187, 150, 81]
#   12 calls of 1:     [255, 243, 102, 187, 205, 246, 210, 174, 169, 160, 72, 69]
#   integers(0, 100):  uint8 [99, 13, 47, 94]  uint16 [89, 47, 74, 51]  int64 [47, 51, 75, 95]
# Why it matters: whoever replays a keyed scheme (an RGB mask drawn per pixel, a block key drawn per block) must cut
#   the stream into the scheme's calls, and use its dtype; otherwise the right key looks wrong after three values.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np


def cut(calls, size):
    rng = np.random.default_rng(1)
    return [int(v) for _ in range(calls) for v in rng.integers(0, 256, size, dtype=np.uint8)]


whole, fours, threes, ones = cut(1, 12), cut(3, 4), cut(4, 3), cut(12, 1)
print("one call of 12:", whole)
print("3 calls of 4:  ", fours)
print("4 calls of 3:  ", threes)
print("12 calls of 1: ", ones)
words = np.random.default_rng(1).bit_generator.random_raw(6)
words = [int(half) for raw in words for half in (raw & 0xFFFFFFFF, raw >> 32)]
as_bytes = [w.to_bytes(4, "little") for w in words]
typed = {
    d: np.random.default_rng(1).integers(0, 100, 4, dtype=d).tolist() for d in ("uint8", "uint16", "int64")
}
print("integers(0, 100):", typed)
assert whole == fours == list(b"".join(as_bytes[:3])), "behaviour has changed"
assert threes == list(b"".join(b[:3] for b in as_bytes[:4])), "behaviour has changed"
assert ones == [b[0] for b in as_bytes], "behaviour has changed"
assert len({tuple(v) for v in typed.values()}) == 3, "behaviour has changed"
PY
