#!/usr/bin/env bash
# numpy: the 50th percentile of a black-and-white picture in signed bytes is whiter than white.
#
# Believed: a percentile lies between the smallest and the largest value, and the 50th is the median.
# Seen (numpy 2.4.6, scipy 1.17.1, polars 2.1.0, Python 3.11, Linux x86-64): percentile, quantile and their nan- forms
#   take the difference of the two values between which they interpolate in the type of the picture. Where it is above
#   127 in int8, or 32,767 in int16, it wraps: with a RuntimeWarning for one percentile of one picture, without a word
#   along an axis. np.median averages the two and is right; so are unsigned types, polars and scipy.ndimage.median.
# Output seen (half of the pixels at the lower value, half at the upper one):
#   int8, -128 and 127: percentile 127.5, median -0.5, polars -0.5
#   int16, -32,768 (padding) and 100: percentile 16434.0, median -16334.0
#   10,000 rows of 4 random signed bytes, 1st, 50th and 99th percentile: out of the row's own range in 1,759
# Why it matters: pictures are clipped and scaled by percentiles, and thresholds of scores are quantiles. Centred bytes
#   and scans with a padding value far below their tissue are such pictures, and the limits come out beyond both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile numpy==2.4.6 scipy==1.17.1 polars==2.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import polars as pl
from scipy import ndimage


def half_and_half(low, high, dtype):
    return np.repeat(np.array([low, high], dtype), 32).reshape(8, 8)


centred, scan = half_and_half(-128, 127, np.int8), half_and_half(-32768, 100, np.int16)
halves = [float(function(centred, 50)) for function in (np.percentile, np.nanpercentile)]
halves.append(float(np.quantile(centred, 0.5)))
right = [float(np.median(centred)), float(ndimage.median(centred)), pl.Series(centred.ravel()).quantile(0.5, "linear")]
print("int8: percentile, nanpercentile, quantile", halves, "  medians of numpy, scipy, polars", right)
print("int16: percentile", float(np.percentile(scan, 50)), "  median", float(np.median(scan)))
rows = np.random.default_rng(0).integers(-128, 128, (10_000, 4)).astype(np.int8)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    limits = np.percentile(rows, [1, 50, 99], axis=1)
outside = int(((limits < rows.min(1)) | (limits > rows.max(1))).any(0).sum())
print("rows with a percentile outside of their own values:", outside)
assert halves == [127.5] * 3 and right == [-0.5] * 3, "behaviour has changed"
assert np.percentile(scan, 50) > 100 and np.median(scan) == -16334, "behaviour has changed"
assert outside > 1000 and np.percentile(half_and_half(0, 255, np.uint8), 50) == 127.5, "behaviour has changed"
PY
