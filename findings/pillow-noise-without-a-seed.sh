#!/usr/bin/env bash
# Pillow: the "random" noise of effect_noise, and the scrambling of effect_spread, are the same in every process.
#
# Believed: effect_noise ("generate Gaussian noise") and effect_spread ("randomly spread pixels") draw anew, as they
#   take no seed; if not, random.seed or np.random.seed governs them.
# Seen (pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64, glibc): both draw from the C library's rand(), which
#   nobody seeds: the first picture of every process gets the same noise and the same places, whatever Python's and
#   numpy's generators were seeded with. Calls within a process go on in one stream of 31-bit numbers.
# Output seen (three processes, seeds 0, 1, 2 for random and np.random):
#   noise equal True   places equal True (89% of the pixels moved)   second call equals first False
# Why it matters: an encoder that adds this noise or spreads pixels so has one public key; whoever runs the same call
#   subtracts the noise, or puts the pixels back. A test of freshness within one process does not see it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow==13.0.0 numpy==2.4.6
cat >"$work/draw.py" <<'PY'
import json
import random
import sys

import numpy as np
from PIL import Image

random.seed(int(sys.argv[1]))
np.random.seed(int(sys.argv[1]))
noise = [np.asarray(Image.effect_noise((16, 16), 50)).tolist() for _ in range(2)]
places = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
print(json.dumps([noise, np.asarray(places.effect_spread(4)).tolist()]))
PY
cat >"$work/compare.py" <<'PY'
import json
import subprocess
import sys

import numpy as np

drawn = [json.loads(subprocess.check_output([sys.executable, sys.argv[1], str(seed)])) for seed in range(3)]
noise = all(d[0] == drawn[0][0] for d in drawn)
places = all(d[1] == drawn[0][1] for d in drawn)
moved = float((np.array(drawn[0][1]) != np.arange(256).reshape(16, 16)).mean())
fresh = drawn[0][0][0] == drawn[0][0][1]
print(f"noise equal {noise}   places equal {places} ({moved:.0%} moved)   second call equals first {fresh}")
assert noise and places and moved > 0.5 and not fresh, "behaviour has changed"
PY
"$work/venv/bin/python" "$work/compare.py" "$work/draw.py"
