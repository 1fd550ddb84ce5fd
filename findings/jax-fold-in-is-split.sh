#!/usr/bin/env bash
# jax: `fold_in(key, i)` is `split(key, n)[i]`, and random words of a key are its children.
#
# Believed: split and fold_in are two ways to derive keys that never meet, and numbers drawn from a key tell nothing
#   of the keys split from it.
# Seen (jax 0.10.2, threefry, jax_threefry_partitionable at its default True, Python 3.11, Linux x86-64, CPU): both
#   derivations evaluate the cipher at i. random.bits(key, dtype=uint32) is the exclusive or of the two halves of the
#   child keys, and with 64-bit types enabled random.bits(key, dtype=uint64)[i] is child key i itself, all of it.
# Output seen:
#   fold_in(key, i) == split(key, 5)[i]: True
#   bits uint32 == high ^ low of the children: True
#   bits uint64 == the children: True
# Why it matters: a scheme that splits a key for its images and folds image numbers into the same key reuses keys; one
#   that publishes a word drawn from a key (a nonce, an id) and then splits that key publishes the children. Drawing
#   from a key and splitting it breaks jax's written rule on reuse; meeting of split and fold_in does not look so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import jax
import numpy as np

key = jax.random.key(42)
children = np.asarray(jax.random.key_data(jax.random.split(key, 5)))
folded = np.array([jax.random.key_data(jax.random.fold_in(key, i)) for i in range(5)])
words = np.asarray(jax.random.bits(key, (5,), "uint32"))
jax.config.update("jax_enable_x64", True)
longs = np.asarray(jax.random.bits(key, (5,), "uint64"))
joined = (children[:, 0].astype(np.uint64) << np.uint64(32)) | children[:, 1].astype(np.uint64)
seen = {
    "fold_in(key, i) == split(key, 5)[i]": bool((folded == children).all()),
    "bits uint32 == high ^ low of the children": bool((words == children[:, 0] ^ children[:, 1]).all()),
    "bits uint64 == the children": bool((longs == joined).all()),
}
for name, value in seen.items():
    print(f"{name}: {value}")
assert all(seen.values()), "behaviour has changed"
PY
