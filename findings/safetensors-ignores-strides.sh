#!/usr/bin/env bash
# safetensors: a transposed or sliced numpy array is written without an error and read back with other values.
#
# Believed: `safetensors.numpy.save_file` writes the values of an array, like `numpy.save`; its counterpart for torch
#   refuses a tensor that is not contiguous, so this one would refuse or copy it.
# Seen (safetensors 0.8.0, numpy 2.4.6, Python 3.11, Linux x86-64): the bytes are taken from memory in the order in
#   which they lie there, the shape from the array. Shape and type are right, the values are in other places; of a
#   slice, values come back that were not in it. Big-endian arrays are handled.
# Output seen (equal to what was saved):
#   as it is True, channels first False, every second column False, rows turned round False, big-endian True;
#   24 values of the slice had been left out of it
# Why it matters: pictures turned from height x width x channels to channels first are the usual case here. A release
#   stored so looks scrambled, which an audit would take for an encoding; a slice publishes what was left out of it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps safetensors==0.8.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

pictures = np.arange(96, dtype=np.float32).reshape(2, 4, 4, 3)
cases = {
    "as it is": pictures,
    "channels first": pictures.transpose(0, 3, 1, 2),
    "every second column": pictures[:, :, ::2],
    "rows turned round": pictures[:, ::-1],
    "big-endian": pictures.astype(">f4"),
}
same = {}
foreign = 0
with tempfile.NamedTemporaryFile() as file:
    for name, array in cases.items():
        save_file({"x": array}, file.name)
        back = load_file(file.name)["x"]
        assert back.shape == array.shape
        same[name] = bool(np.array_equal(back, array))
        if name == "every second column":
            foreign = len(set(back.flat) - set(array.flat))
print(same, "values of the slice that were left out of it:", foreign)
assert list(same.values()) == [True, False, False, False, True] and foreign > 0, "behaviour has changed"
PY
