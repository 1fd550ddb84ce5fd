#!/usr/bin/env bash
# scikit-learn: all 25 patches of a picture are asked for, and 18 different ones are returned.
#
# Believed: `extract_patches_2d(picture, size, max_patches=n)` takes n of the patches that there are, each once; with n
#   the number of them, or the share 1 - 1/n, it takes (nearly) all.
# Seen (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11, Linux x86-64): rows and columns are drawn with replacement, which
#   the documentation does not say. About a share of 1/e of the patches is missing and others come two and three times.
#   Without max_patches each comes once. PatchExtractor does the same.
# Output seen (different patches of 4 x 4 in a picture of 8 x 8, which has 25):
#   max_patches=None 25   25 18   24 14   0.96 14   20 14   mean of 200 seeds at 25: 16.0
# Why it matters: a picture that is shown as its patches in a random order has gaps that no scheme made; what is matched
#   one to one has pairs of copies; training and test patches, or two parts of one sample, hold the same ones.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-learn==1.9.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from sklearn.feature_extraction.image import PatchExtractor, extract_patches_2d

picture = np.arange(64.0).reshape(8, 8)


def different(patches):
    return len(np.unique(patches[:, 0, 0]))


counts = (None, 25, 24, 0.96, 20)
seen = {n: different(extract_patches_2d(picture, (4, 4), max_patches=n, random_state=0)) for n in counts}
many = [different(extract_patches_2d(picture, (4, 4), max_patches=25, random_state=seed)) for seed in range(200)]
extractor = PatchExtractor(patch_size=(4, 4), max_patches=25, random_state=0)
print(seen, f"  mean of 200 seeds {np.mean(many):.1f}, most {max(many)}", "  PatchExtractor", end=" ")
print(different(extractor.fit_transform(picture[None])))
assert seen[None] == 25 and max(many) < 25 and 15 < np.mean(many) < 17, "behaviour has changed"
assert different(extractor.fit_transform(picture[None])) < 25, "behaviour has changed"
PY
