# ruff: noqa: E501 (the schemes are text, and read better unbroken)
"""Scheme files that misbehave, one trick each, as text.  Each is run in the sandbox by test_hostile."""

from __future__ import annotations

HEAD = """
import os, sys, time, signal, threading
import numpy as np
from ihaudit import Release, Scheme, Provenance

class Bad(Scheme):
    def encode(self, images, labels, public, rng):
"""


def scheme(body: str, before: str = "") -> str:
    """A scheme file whose encode has `body`; `before` stands at the top of the file."""
    lines = "\n".join("        " + line for line in body.strip("\n").splitlines())
    return before + HEAD + lines + "\n"


GOOD = "return Release(images)"

#: name -> (file, what the error says); every one must end in a SchemeError.
REFUSED: dict[str, tuple[str, str]] = {
    "raises": (scheme("raise KeyError('lost')"), r"raised KeyError \(line \d+ of scheme.py\): 'lost'"),
    "system_exit": (scheme("sys.exit(0)"), "raised SystemExit"),
    "os_exit": (scheme("os._exit(0)"), "ended with exit code 0"),
    "abort": (scheme("os.abort()"), "SIGABRT"),
    "kills_itself": (scheme("os.kill(os.getpid(), 9)"), "SIGKILL"),
    "recursion": (scheme("def f(): return f()\nf()"), "RecursionError"),
    "stops_itself": (scheme("os.kill(os.getpid(), signal.SIGSTOP)"), "longer than"),
    "sleeps": (scheme("time.sleep(1000)"), "longer than .*--scheme-timeout"),
    "spins_without_gil": (scheme("(10**9)**(10**8)"), "longer than"),
    "ignores_signals": (
        scheme("for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: time.sleep(1)"),
        "longer than",
    ),
    "eats_memory": (
        scheme("x = []\nwhile True: x.append(np.ones((4 << 20,)))"),
        "memory",
    ),
    "eats_memory_in_children": (
        scheme(
            "for _ in range(4):\n    if os.fork() == 0:\n        x = np.ones(24 << 20); time.sleep(60)\ntime.sleep(60)"
        ),
        "memory",
    ),
    "closes_every_fd": (scheme("os.closerange(0, 1024)\ntime.sleep(30)"), "ended|channel"),
    "returns_nothing": (scheme("pass"), "returned nothing"),
    "returns_generator": (scheme("yield 1"), "returned a generator"),
    "returns_text": (scheme("return 'hello'"), "returned a str"),
    "object_array": (scheme("return Release(np.array([[object()]]))"), "dtype object"),
    "complex_array": (scheme("return Release(images.astype(complex))"), "dtype complex.*real numbers.*x.imag"),
    "masked": (scheme("return Release(np.ma.masked_array(images, images > 0.5))"), "masked array.*filled"),
    "ragged_rows": (scheme("return Release([v[: 4 + i] for i, v in enumerate(images)])"), "makes no array.*one shape"),
    "text_array": (scheme("return Release(np.array([['a']]))"), "dtype <U1"),
    "lazily_failing": (
        scheme("class Lazy:\n    def __array__(self, *a, **k): raise OSError('gone')\nreturn Release(Lazy())"),
        "raised OSError",
    ),
    "nan": (scheme("x = images.copy(); x[0, 0] = np.nan; return Release(x)"), "encodings holds .* NaN, .*0 / 0"),
    "infinite_labels": (
        scheme("return Release(images, np.full((len(images), 2), np.inf))"),
        "labels holds .* infinite",
    ),
    "overflowing": (scheme("return Release(images.astype(float) + 1e300)"), "infinite"),
    "empty": (scheme("return Release(images[:0])"), "no encoding at all"),
    "flat": (scheme("return Release(images.ravel())"), "shape"),
    "scalar": (scheme("return Release(np.float32(1))"), "shape"),
    "labels_of_another_length": (scheme("return Release(images, np.zeros((1, 2)))"), "one row per encoding"),
    "labels_in_one_axis": (scheme("return Release(images, labels)"), "one row per encoding"),
    "image_range_reversed": (scheme("return Release(images, image_range=(1, -1))"), "image_range"),
    "image_range_text": (scheme("return Release(images, image_range='ab')"), "image_range"),
    "extra_object": (scheme("return Release(images, extra={'k': np.array([None])})"), r"extra\['k'\] has dtype object"),
    "extra_nan": (scheme("return Release(images, extra={'k': np.array([np.nan])})"), r"extra\['k'\] holds"),
    "sources_out_of_range": (
        scheme("return Release(images, provenance=Provenance(np.full((len(images), 1), len(images))))"),
        "provenance.sources holds",
    ),
    "sources_of_another_length": (
        scheme("return Release(images, provenance=Provenance(np.zeros((1, 2), int)))"),
        "provenance.sources has shape",
    ),
    "sources_fractional": (
        scheme("return Release(images, provenance=Provenance(np.zeros((len(images), 2))))"),
        "whole numbers",
    ),
    "coefficients_of_another_shape": (
        scheme(
            "n = len(images)\nreturn Release(images, provenance=Provenance(np.zeros((n, 2), int), np.ones((n, 3))))"
        ),
        "coefficients has shape",
    ),
    "masks_not_signs": (
        scheme(
            "n = len(images)\nreturn Release(images, provenance=Provenance(np.zeros((n, 1), int), None, np.zeros(images.shape)))"
        ),
        "other than -1",
    ),
    "gigantic": (scheme("return Release(np.broadcast_to(np.float32(0), (6000, 32, 32, 3)))"), "MB"),
    "fakes_messages": (
        scheme(
            "import socket\nfor fd in range(3, 64):\n    try: os.write(fd, b'IHA1' + b'\\xff' * 64)\n    except OSError: pass\ntime.sleep(60)"
        ),
        "not a message|ended",
    ),
    "fakes_a_pickle": (
        scheme(
            "import pickle\nfor fd in range(3, 64):\n    try: os.write(fd, pickle.dumps({'a': 1}) * 9)\n    except OSError: pass\ntime.sleep(60)"
        ),
        "not a message|ended",
    ),
    "answers_twice": (
        scheme(
            "from ihaudit.sandbox import wire\nimport socket, gc\n"
            "s = next(o for o in gc.get_objects() if isinstance(o, socket.socket))\n"
            "wire.send(s, {'kind': 'release', 'number': 10**6, 'image_range': [0, 1]}, [('encodings', images)])\n"
            + GOOD
        ),
        "another call",
    ),
    "announces_terabytes": (
        scheme(
            "import socket, gc, json, struct\n"
            "s = next(o for o in gc.get_objects() if isinstance(o, socket.socket))\n"
            "h = json.dumps({'kind': 'release', 'number': 1, 'arrays': [['encodings', '<f4', [1 << 38, 4]]]}).encode()\n"
            "s.sendall(struct.pack('<4sI', b'IHA1', len(h)) + h)\ntime.sleep(60)"
        ),
        "MB",
    ),
    "closes_the_channel": (
        scheme(
            "import socket, gc\nfor o in gc.get_objects():\n    if isinstance(o, socket.socket): o.close()\ntime.sleep(60)"
        ),
        "ended its connection",
    ),
    "fork_bomb": (
        scheme("while True:\n    try: os.fork()\n    except OSError: time.sleep(0.05)"),
        "processes|longer than|memory",
    ),
}

#: name -> file; each plays a trick and then returns its images: the audit goes on, unharmed.
HARMLESS: dict[str, str] = {
    "prints_megabytes": scheme("for _ in range(200): print('x' * 100_000)\n" + GOOD),
    "writes_binary_to_stdout": scheme("os.write(1, bytes(range(256)) * 4096)\n" + GOOD),
    "replaces_stdout": scheme("sys.stdout = None\nsys.stderr = 7\n" + GOOD),
    "settrace": scheme("sys.settrace(lambda *a: None)\n" + GOOD),
    "patches_modules": scheme(
        "import json\nnp.load = json.dumps = None\nimport ihaudit.stats, ihaudit.results\n"
        "ihaudit.results.read_results = None\nnp.random.default_rng = None\n" + GOOD,
        before="",
    ).replace("np.load = json.dumps = None", "np.load = json.load = None"),
    "leaves_a_thread": scheme("threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()\n" + GOOD),
    "leaves_a_child": scheme("if os.fork() == 0:\n    time.sleep(1000)\n" + GOOD),
    "leaves_a_daemon": scheme(
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        signal.signal(15, signal.SIG_IGN)\n"
        "        time.sleep(1000)\n    os._exit(0)\n" + GOOD
    ),
    "forks_and_both_return": scheme("os.fork()\n" + GOOD),
    "subclassed_array": scheme("class A(np.ndarray): pass\nreturn Release(images.view(A))"),
    "masked_array": scheme("return Release(np.ma.masked_array(images, images > 2))"),
    "pair": scheme("return images, np.ones((len(images), 2))"),
    "big_endian": scheme("return Release(images.astype('>f8'))"),
    "not_contiguous": scheme("return Release(np.asfortranarray(images))"),
    "small_integers": scheme("return Release((images * 255).astype(np.uint8), image_range=(0, 255))"),
}
