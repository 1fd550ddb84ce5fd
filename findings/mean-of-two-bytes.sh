#!/usr/bin/env bash
# polars: the mean of the bytes 200 and 100 side by side is 22.
#
# Believed: a mean that comes out as float64 lies between its values; polars widens small integers before it adds them,
#   as `sum`, `mean`, `list.mean`, `arr.sum` and `group_by` do.
# Seen (polars 2.1.0, numpy 2.4.6, Python 3.11, Linux x86-64): mean_horizontal adds the columns in their own type,
#   modulo 256, and divides as float. `sum_horizontal` and `dot` wrap too. The mean of three bytes is below 86 always.
# Output seen (columns of bytes 200 and 100):
#   mean_horizontal 22.0   sum_horizontal 44   dot of (200, 200) and itself 128   down a column: mean 150.0, sum 300
#   20 pictures with noise of 20 levels, averaged: error per pixel 123, with numpy 3.6
# Why it matters: encodings of one picture lie in columns, one each, and their average over a row is the first attack
#   on noise. It fails here, without a word, where the noise would have gone: "averaging recovers nothing".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile polars==2.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import polars as pl

frame = pl.DataFrame({"one": [200], "two": [100]}, schema={"one": pl.UInt8, "two": pl.UInt8})
across = frame.select(pl.mean_horizontal("one", "two"), pl.sum_horizontal("one", "two").alias("sum")).row(0)
down = pl.Series([200, 100], dtype=pl.UInt8)
same = pl.Series([200, 200], dtype=pl.UInt8)
row = pl.DataFrame({"pixels": [[200, 100]]}, schema={"pixels": pl.List(pl.UInt8)})["pixels"]
right = [down.mean(), down.sum(), row.list.mean()[0], row.list.sum()[0]]
print("mean_horizontal, sum_horizontal", across, "  dot", same.dot(same), "  mean, sum, list.mean, list.sum", right)
generator = np.random.default_rng(0)
picture = generator.integers(64, 192, 784)
noisy = np.clip(np.rint(picture + generator.normal(0, 20, (20, 784))), 0, 255).astype(np.uint8)
columns = pl.DataFrame({str(number): pixels for number, pixels in enumerate(noisy)})
error = float(np.abs(columns.select(pl.mean_horizontal(pl.all())).to_series().to_numpy() - picture).mean())
lowest = float(np.abs(noisy.mean(0) - picture).mean())
print(f"mean error of 20 noisy pictures averaged: polars {error:.1f}, numpy {lowest:.1f}")
assert across == (22.0, 44) and same.dot(same) == 128 and error > 10 * lowest, "behaviour has changed"
assert right == [150.0, 300, 150.0, 300], "behaviour has changed"
PY
