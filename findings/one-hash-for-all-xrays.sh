#!/usr/bin/env bash
# imagehash: all 16-bit pictures above 255 have the same perceptual hash, at distance 0 from one another.
#
# Believed: perceptual hashes look at structure, and a picture of 12 bits has about the hash of its 8-bit copy.
# Seen (ImageHash 4.3.2, pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): pictures are converted to 8 bits by
#   cutting off at 255. What lies above is one white surface, whose phash is 8000000000000000 and whose average_hash,
#   dhash and whash are 0. No warning. Saved as 8 bits, the same pictures are about 30 of 64 bits apart.
# Output seen (20 unrelated pictures with values from 300 to 4095; mean distance in bits, and as 8 bits):
#   phash 0.0 (31.0)   average_hash 0.0 (31.9)   dhash 0.0 (31.5)   whash 0.0 (31.9)
# Why it matters: the hash finds copies of private pictures in a release, and takes duplicates out of a set. With X-rays
#   every encoding is "re-identified" as everybody, or the set shrinks to one picture.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile ImageHash==4.3.2 pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" -W error - <<'PY'
import itertools

import imagehash
import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
pictures = []
for _ in range(20):
    coarse = Image.fromarray(rng.random((6, 6)).astype(np.float32)).resize((64, 64), Image.Resampling.BICUBIC)
    smooth = np.asarray(coarse)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    pictures.append((300 + smooth * 3795).astype(np.uint16))


def apart(hash_of, images):
    hashes = [hash_of(Image.fromarray(i)) for i in images]
    return float(np.mean([a - b for a, b in itertools.combinations(hashes, 2)]))


found = {}
for name in ("phash", "average_hash", "dhash", "whash"):
    hash_of = getattr(imagehash, name)
    found[name] = apart(hash_of, pictures), apart(hash_of, [(p // 16).astype(np.uint8) for p in pictures])
print("   ".join(f"{name} {deep:.1f} ({eight:.1f})" for name, (deep, eight) in found.items()))
assert all(deep == 0 and eight > 15 for deep, eight in found.values()), "behaviour has changed"
PY
