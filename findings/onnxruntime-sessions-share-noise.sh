#!/usr/bin/env bash
# onnxruntime: two sessions in one process draw the same noise, though no seed was given.
#
# Believed: without the attribute `seed`, which ONNX leaves to the runtime to choose, every session draws noise of its
#   own; and two different seeds are two streams.
# Seen (onnxruntime 1.32.0, onnx 1.23.2, Python 3.11, Linux x86-64, CPU): the seed is chosen once per process, so the
#   first call of one session and the first call of another get the same numbers, and so do the second calls; another
#   process gets others. The seed, a float in ONNX, is cut to an integer: 5.0, 5.4 and 5.9 are one stream.
# Output seen:
#   no seed: two sessions equal True, two calls equal False, two processes equal False
#   seeds 5.0 and 5.9 equal True, 5.0 and 6.0 equal False
# Why it matters: a service that opens a session per worker or per request puts the same noise on the pictures of
#   different people; two encodings subtract to the difference of the pictures.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$work/noise.py" <<'PY'
import subprocess
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def session(seed=None):
    given = {} if seed is None else {"seed": seed}
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["n"], **given), helper.make_node("Add", ["x", "n"], ["y"])]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8])] for name in "xy"]
    model = helper.make_model(helper.make_graph(nodes, "encoder", *ends), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def call(encoder):
    return encoder.run(None, {"x": np.zeros((1, 8), np.float32)})[0]


if sys.argv[1:] == ["alone"]:
    print(call(session()).tobytes().hex())
    raise SystemExit
one, two = session(), session()
first, second = (call(one), call(one)), (call(two), call(two))
sessions = np.array_equal(first, second)
calls = np.array_equal(*first)
runs = [subprocess.run([sys.executable, __file__, "alone"], capture_output=True, text=True).stdout for _ in range(2)]
print(f"no seed: two sessions equal {sessions}, two calls equal {calls}, two processes equal {runs[0] == runs[1]}")
cut = np.array_equal(call(session(5.0)), call(session(5.9)))
next_one = np.array_equal(call(session(5.0)), call(session(6.0)))
print(f"seeds 5.0 and 5.9 equal {cut}, 5.0 and 6.0 equal {next_one}")
assert (sessions, calls, runs[0] == runs[1], cut, next_one) == (True, False, False, True, False), "behaviour has changed"
PY
"$work/venv/bin/python" "$work/noise.py"
