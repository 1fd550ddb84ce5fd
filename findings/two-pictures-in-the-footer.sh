#!/usr/bin/env bash
# pyarrow: what describes a Parquet file holds two of its pictures, whole.
#
# Believed: the footer, and the `_metadata` file made of footers, hold names, types, sizes and ranges of numbers.
# Seen (pyarrow 26.0.1, numpy 2.4.6, Python 3.11, Linux x86-64): bytes have a range too, and its ends are values. Of a
#   column of pictures up to 4 kB, the first and the last in the order of their bytes are written in full, for every
#   row group; a larger one is left out. write_statistics=False leaves all out.
# Output seen (100 pictures of 28 x 28 bytes in 4 row groups; pictures that are in `_metadata`):
#   as it is 8   write_statistics=False 0   64 x 64 x 3 0
# Why it matters: schema and footer are handed out where the data are not (catalogues, indices, a file for readers to
#   plan with). MNIST-like pictures, thumbnails, embeddings and keys are below 4 kB.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

rng = np.random.default_rng(0)


def described(shape, **options):
    pictures = [rng.integers(0, 256, shape, dtype=np.uint8).tobytes() for _ in range(100)]
    table = pa.table({"picture": pictures})
    pq.write_table(table, "pictures.parquet", row_group_size=25, **options)
    pq.write_metadata(table.schema, "_metadata", metadata_collector=[pq.read_metadata("pictures.parquet")])
    text = pathlib.Path("_metadata").read_bytes()
    return sum(picture in text for picture in pictures)


seen = described((28, 28)), described((28, 28), write_statistics=False), described((64, 64, 3))
print("as it is {}   write_statistics=False {}   64 x 64 x 3 {}".format(*seen))
assert seen == (8, 0, 0), "behaviour has changed"
PY
