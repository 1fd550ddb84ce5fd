#!/usr/bin/env bash
# SciPy and scikit-learn: the distance of two nearly equal 8-bit pictures is that of black and white.
#
# Believed: a distance is worked out in floating point, or refuses bytes: scipy's sqeuclidean and cdist, and
#   scikit-learn's mean errors, give the same for uint8 pixels as for the same pixels in float64.
# Seen (scipy 1.17.1, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11, Linux x86-64): in the same modules, scipy's
#   euclidean, minkowski, cityblock and chebyshev, and scikit-learn's max_error, subtract bytes from bytes: 10 - 11 is
#   255. euclidean is not the root of sqeuclidean, and chebyshev of a picture to its copy plus one is 255 one way and 1
#   the other way.
# Output seen (picture against the same one with 1 added to every pixel; uint8, then float64):
#   euclidean 7140 28   cityblock 199920 784   chebyshev 255 1   max_error 255 1   sqeuclidean 784 784
# Why it matters: pixels are bytes when they come from a file. An exact reconstruction but for rounding is then as far
#   off as can be, and a leak is not found; which one of two copies comes first decides.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy.spatial import distance
from sklearn.metrics import max_error, mean_absolute_error, mean_squared_error

picture = np.random.default_rng(0).integers(0, 255, 28 * 28, dtype=np.uint8)
copy = picture + np.uint8(1)
measures = [distance.euclidean, distance.minkowski, distance.cityblock, distance.chebyshev, max_error]
right = [distance.sqeuclidean, mean_squared_error, mean_absolute_error]
seen = {}
for measure in measures + right:
    seen[measure.__name__] = float(measure(picture, copy)), float(measure(picture.astype(float), copy.astype(float)))
print(seen, "cdist", distance.cdist([picture], [copy])[0, 0], "the other way", distance.chebyshev(copy, picture))
assert all(seen[m.__name__][0] == 255 * seen[m.__name__][1] for m in measures), "behaviour has changed"
assert all(seen[m.__name__][0] == seen[m.__name__][1] for m in right), "behaviour has changed"
assert distance.cdist([picture], [copy])[0, 0] == 28 and distance.chebyshev(copy, picture) == 1, "behaviour has changed"
PY
