#!/usr/bin/env bash
# Pillow: ImageStat says that the mean of a picture in 0..1 is 126, and of one whose right half is white 0.
#
# Believed: `ImageStat.Stat(picture).mean` is the mean of the pixels, as it is for 8-bit pictures.
# Seen (pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): it is worked out on a histogram of 256 bins, in numbers
#   of bins. Float and 32-bit pictures are stretched to their own minimum and maximum first, so that a picture and half
#   of it have the same mean and spread. Of 16-bit ones the first half of each row is counted, byte by byte.
# Output seen (ImageStat's mean, and the mean of the pixels):
#   8 bits 126.1, 126.1   float32 126.1, 0.5   half of it 126.1, 0.2   16 bits, right half white 0.0, 32767.5
# Why it matters: mean and spread of private and encoded pictures are compared to see what a scheme keeps. In float,
#   every scheme seems to keep them, whatever it multiplies the pictures by; half of an X-ray does not count.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image, ImageStat

picture = np.random.default_rng(0).random((64, 64))
kinds = {
    "8 bits": (picture * 255).astype(np.uint8),
    "float32": picture.astype(np.float32),
    "half of it": (picture / 2).astype(np.float32),
    "16 bits, right half white": np.repeat(np.array([[0, 65535]], np.uint16), 32, axis=1).repeat(64, axis=0),
}
means, spreads = {}, {}
for name, pixels in kinds.items():
    stat = ImageStat.Stat(Image.fromarray(pixels))
    means[name], spreads[name] = (stat.mean[0], float(pixels.mean())), stat.stddev[0]
print({name: f"{found:.1f}, {true:.1f}" for name, (found, true) in means.items()})
assert abs(np.subtract(*means["8 bits"])) < 1e-6, "behaviour has changed"
assert means["float32"][0] == means["half of it"][0] > 100 > means["float32"][1], "behaviour has changed"
assert spreads["float32"] == spreads["half of it"] > 50, "behaviour has changed"
assert means["16 bits, right half white"] == (0.0, 32767.5), "behaviour has changed"
PY
