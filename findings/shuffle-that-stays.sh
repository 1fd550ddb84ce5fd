#!/usr/bin/env bash
# albumentations: shuffling a 64 x 64 picture in a 3 x 3 grid leaves 45 % of it where it was.
#
# Believed: RandomGridShuffle draws one permutation of all tiles, so about 1 tile in 9 stays.
# Seen (albumentations 2.0.8, albucore 0.0.24, opencv-python-headless 5.0.0.93, numpy 2.4.6, Python 3.11, Linux
#   x86-64; 200 shuffles): where the side is no multiple of the grid, tiles have up to four shapes, and only tiles of
#   one shape change places. No error, no warning.
# Output seen (share of pixels that stay, and 1 / tiles):
#   4 x 4: 0.059 (0.062)   3 x 3: 0.446 (0.111)   5 x 5: 0.155 (0.040)   6 x 6: 0.105 (0.028)
# Why it matters: as a block-shuffling encoding it hides far less than its grid promises; for a jigsaw attack shapes
#   tell which places a tile may go to.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile albumentations==2.0.8 albucore==0.0.24 \
  opencv-python-headless==5.0.0.93 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import numpy as np

picture = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
stay = {}
for n in (4, 3, 5, 6):
    shuffles = [A.Compose([A.RandomGridShuffle(grid=(n, n), p=1.0)], seed=s) for s in range(200)]
    stay[n] = float(np.mean([(shuffle(image=picture)["image"] == picture).mean() for shuffle in shuffles]))
    print(f"{n} x {n}: {stay[n]:.3f} ({1 / n**2:.3f})")
assert abs(stay[4] - 1 / 16) < 0.02, "behaviour has changed"
assert stay[3] > 0.3 and stay[5] > 0.1 and stay[6] > 0.07, "behaviour has changed"
PY
