#!/usr/bin/env bash
# datasets: a picture that was blackened after it was opened is stored without the black.
#
# Believed: `Dataset.from_dict({"image": [picture]})` stores the picture, that is its pixels, as a PIL picture shows
#   them.
# Seen (datasets 5.2.0, pillow 13.0.0, pyarrow 26.0.1, numpy 2.4.6, Python 3.11, Linux x86-64): of a picture that came
#   from `Image.open` and still has its file name, the name is stored, and the file is read when the row is asked for.
#   What `paste`, `putpixel` and `ImageDraw` did in place is lost, without a word; a copy of the same picture is stored
#   as it is.
# Output seen (largest value under the black bar):
#   in the picture 0   in the data set 255   in the data set made of picture.copy() 0
# Why it matters: bars over names and faces are drawn in place. The data set that is encoded, published or attacked has
#   the names in it, while the pictures in memory, of which the check was made, have not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile datasets==5.2.0 pillow==13.0.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from datasets import Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image, ImageDraw

Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)).save("picture.png")
picture = Image.open("picture.png")
ImageDraw.Draw(picture).rectangle((0, 0, 27, 9), fill=(0, 0, 0))


def under_the_bar(image):
    return int(np.asarray(image)[:10].max())


def stored(image):
    return Dataset.from_dict({"image": [image]}, features=Features({"image": ImageFeature()}))[0]["image"]


seen = under_the_bar(picture), under_the_bar(stored(picture)), under_the_bar(stored(picture.copy()))
print("in the picture {}   in the data set {}   of picture.copy() {}".format(*seen))
assert seen[0] == seen[2] == 0 and seen[1] > 200, "behaviour has changed"
PY
