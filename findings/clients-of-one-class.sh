#!/usr/bin/env bash
# flwr-datasets: the partitioner for independent and identically distributed clients cuts a sorted set into classes.
#
# Believed: IidPartitioner deals the rows out at random, as its name says and as the Dirichlet one does (it has a seed).
# Seen (flwr-datasets 0.6.1, datasets 4.8.5, numpy 2.4.6, Python 3.11, Linux x86-64): it takes runs of rows that stand
#   one after the other. FederatedDataset shuffles before; a partitioner that is given a data set of one's own does not,
#   and has no seed. DirichletPartitioner with a huge alpha, whose clients should be alike too, deals rows of all classes.
# Output seen (1,000 rows of ten classes in order, ten clients; number of classes that each client holds):
#   iid            1 1 1 1 1 1 1 1 1 1
#   iid, shuffled  10 10 10 10 10 10 10 10 10 10
#   dirichlet      10 10 10 10 10 10 10 10 10 10
# Why it matters: who measures what clients' updates or encodings tell of their images measures clients of one class,
#   whose labels anybody may guess, and takes the figure for that of alike ones.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile flwr-datasets==0.6.1 datasets==4.8.5 numpy==2.4.6
HF_HUB_OFFLINE=1 HF_HOME="$work" "$work/venv/bin/python" - <<'PY'
import numpy as np
from datasets import Dataset
from flwr_datasets.partitioner import DirichletPartitioner, IidPartitioner

rows = Dataset.from_dict({"label": np.repeat(np.arange(10), 100).tolist()})


def classes(partitioner, data):
    partitioner.dataset = data
    return [len(set(partitioner.load_partition(i)["label"])) for i in range(10)]


even = DirichletPartitioner(num_partitions=10, partition_by="label", alpha=1e6, min_partition_size=0, seed=1)
seen = {
    "iid": classes(IidPartitioner(num_partitions=10), rows),
    "iid, shuffled": classes(IidPartitioner(num_partitions=10), rows.shuffle(seed=0)),
    "dirichlet": classes(even, rows),
}
for name, counts in seen.items():
    print(f"{name:15}" + " ".join(map(str, counts)))
assert seen["iid"] == [1] * 10, "behaviour has changed"
assert min(seen["iid, shuffled"]) == 10 == min(seen["dirichlet"]), "behaviour has changed"
PY
