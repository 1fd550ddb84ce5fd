#!/usr/bin/env bash
# datasets: a 16-bit picture with three channels keeps its low byte only; with one channel it keeps everything.
#
# Believed: the feature `Image()` stores an array without loss, as it does for uint16 pictures of one channel, or
#   scales or refuses what PNG libraries cannot hold.
# Seen (datasets 5.2.0, pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): uint16 (H, W) comes back as it was.
#   uint16 (H, W, 3) becomes uint8 by dropping the high byte: 2608 comes back as 48. A warning says "downcasting", not
#   that values wrap. float32 (H, W, 3) is refused.
# Output seen (largest value saved, and read):
#   one channel 4095 4095   three channels 4095 255, equal modulo 256: True
# Why it matters: 12-bit X-rays are often repeated to three channels for a network. What wraps looks like a banded
#   encoding of the picture, and SSIM against the original is low, so a set of plain pictures passes for a scrambled one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
HF_HOME="$work/home" "$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from datasets import Dataset, Features, Image

grey = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
grey[0, 0] = 4095


def kept(array):
    return np.asarray(Dataset.from_dict({"image": [array]}, features=Features({"image": Image()}))[0]["image"])


one, three = kept(grey), kept(np.repeat(grey[:, :, None], 3, 2))
wraps = bool(np.array_equal(three[..., 0], grey % 256))
print(f"one channel {grey.max()} {one.max()}   three channels {grey.max()} {three.max()}, equal modulo 256: {wraps}")
assert np.array_equal(one, grey) and three.dtype == np.uint8 and wraps, "behaviour has changed"
PY
