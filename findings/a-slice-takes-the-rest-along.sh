#!/usr/bin/env bash
# torch, pyarrow and datasets: what is saved of one row holds all rows.
#
# Believed: a file of `pictures[:1]` holds one picture, as it does by numpy, where a slice is pickled alone.
# Seen (torch 2.13.0 on the CPU, pyarrow 26.0.1, datasets 5.2.0, numpy 2.4.6, Python 3.11, Linux x86-64): torch.save
#   writes the memory behind a slice, and whoever loads it reads the others from there (documented, as "views"). So does
#   pickle of a slice of a pyarrow table, and of what `select` or `filter` leave of a data set: the rows that were
#   filtered out are in it. Parquet, Feather and save_to_disk write what was selected.
# Output seen (pictures of 100 that are in the file of one):
#   numpy 1   torch.save 100 (all equal to the originals: True)   torch.save of a clone 1   pyarrow pickle 100
#   datasets pickle: select 100, filter 100
# Why it matters: "one sample for publication", a release without those who withdrew, and what is handed to a worker or
#   a client of federated learning are made so. The shape says 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 pyarrow==26.0.1 datasets==5.2.0 numpy==2.4.6
HF_HOME="$work/home" "$work/venv/bin/python" -W ignore - <<'PY'
import io
import pickle

import datasets
import numpy as np
import pyarrow as pa
import torch

datasets.disable_progress_bars()
pictures = np.random.default_rng(0).random((100, 32, 32))
rows = [p.tobytes() for p in pictures]


def inside(data):
    return sum(row in data for row in rows)


def saved(tensor):
    file = io.BytesIO()
    torch.save(tensor, file)
    return file.getvalue()


tensor = torch.tensor(pictures)
one = saved(tensor[:1])
loaded = torch.load(io.BytesIO(one))
others = torch.empty(0, dtype=torch.float64).set_(loaded.untyped_storage(), 0, tensor.shape)
equal = loaded.shape == (1, 32, 32) and torch.equal(others, tensor)
table = pa.table({"picture": rows})
whole = datasets.Dataset.from_dict({"picture": rows})
found = {
    "numpy": inside(pickle.dumps(pictures[:1])),
    "torch": inside(one),
    "torch, clone": inside(saved(tensor[:1].clone())),
    "pyarrow": inside(pickle.dumps(table.slice(0, 1))),
    "select": inside(pickle.dumps(whole.select([0]))),
    "filter": inside(pickle.dumps(whole.filter(lambda row, i: i == 0, with_indices=True))),
}
print(found, "others read from one:", equal)
assert list(found.values()) == [1, 100, 1, 100, 100, 100] and equal, "behaviour has changed"
PY
