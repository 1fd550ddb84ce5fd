#!/usr/bin/env bash
# scikit-image: how strong Poisson noise is depends on how many different values the picture has.
#
# Believed: random_noise(picture, mode="poisson") is shot noise: its strength follows from the brightness, or from the
#   range of the dtype.
# Seen (scikit-image 0.26.0, numpy 2.4.6, Python 3.11, Linux x86-64): the number of photons that white stands for is the
#   number of different values in the picture, rounded up to a power of two. A flat picture has one photon, 256 levels
#   have 256; the same flat picture with differences of 1e-6 has 4096.
# Output seen (standard deviation of the noise on a 64 x 64 picture of brightness .5):
#   flat 0.489   one pixel .25 0.391   differences of 1e-6 0.011   8-bit ramp of 256 levels, about its middle 0.043
# Why it matters: as a privacy noise it is strong for a logo and 40 times weaker for a photograph, and computing in
#   float instead of 8 bits takes it away. One that calibrates it on a test picture knows nothing of the others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-image==0.26.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from skimage.util import img_as_float, random_noise

flat = np.full((64, 64), 0.5)
one = flat.copy()
one[0, 0] = 0.25
nearly = flat + np.linspace(0, 1e-6, flat.size).reshape(flat.shape)
ramp = np.tile(np.arange(256, dtype=np.uint8), 16).reshape(64, 64)
middle = (ramp > 96) & (ramp < 160)


def strength(picture, where=...):
    return float((random_noise(picture, mode="poisson", rng=0) - img_as_float(picture))[where].std())


found = [strength(flat), strength(one), strength(nearly), strength(ramp, middle)]
print("flat {:.3f}   one pixel {:.3f}   differences of 1e-6 {:.3f}   8-bit ramp {:.3f}".format(*found))
assert found[0] > 0.4 and found[1] > 0.3 and found[2] < 0.02 and 0.03 < found[3] < 0.06, "behaviour has changed"
PY
