#!/usr/bin/env bash
# augly: "random" noise is the same for every picture, and sets numpy's global generator to the same state each time.
#
# Believed: RandomNoise draws noise anew for every picture, and ShufflePixels an order of pixels; a fixed seed would
#   have to be asked for.
# Seen (augly 1.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): both have seed arguments with defaults (42 and 10), which
#   seed numpy's global generator in every call. All pictures get one noise and one permutation, in every process, and
#   whatever is drawn from np.random afterwards is the same too, whatever it had been seeded with.
# Output seen:
#   same noise True   same order of pixels True (99% moved)   np.random after it: True
# Why it matters: noise that repeats is a pad that is reused, and two encodings subtract to the difference of the
#   pictures; a permutation that is public hides nothing. Keys drawn later in the same program from np.random are
#   constants.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile augly==1.0.0 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" -W ignore - <<'PY'
import augly.image
import numpy as np
from PIL import Image

pixels = np.random.default_rng(0).integers(100, 150, (2, 16, 16, 3), dtype=np.uint8)
noise = augly.image.RandomNoise(mean=0.0, var=0.001)
added = [np.asarray(noise(Image.fromarray(p)), int) - p for p in pixels]
same_noise = bool(np.array_equal(*added)) and added[0].std() > 1
places = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
shuffle = augly.image.ShufflePixels(factor=1.0)
one, two = (np.asarray(shuffle(Image.fromarray(p)))[..., 0] for p in (places, 255 - places))
same_order, moved = bool(np.array_equal(one, 255 - two)), float((one != places[..., 0]).mean())
after = []
for seed in (0, 1):
    np.random.seed(seed)
    noise(Image.fromarray(pixels[0]))
    after.append(np.random.rand())
equal = after[0] == after[1]
print(f"same noise {same_noise}   same order of pixels {same_order} ({moved:.0%} moved)   np.random after it: {equal}")
assert same_noise and same_order and moved > 0.9 and equal, "behaviour has changed"
PY
