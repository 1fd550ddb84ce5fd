"""The one border: whatever a scheme declares or returns is taken, or refused in one sentence, never a crash of ours."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ihaudit.errors import SchemeError, printable
from ihaudit.release import Provenance, Release, rows_of
from ihaudit.sandbox import Limits, SchemeProcess, declaration, scratch, validate, wire, worker
from ihaudit.sandbox.loader import SchemeSource, locate
from ihaudit.scheme import Claim
from tests.sandbox.test_hostile import lingering, no_process_is_left

SOURCE = SchemeSource(Path("/s.py"), None, "s.py", "0" * 64, "")
LIMITS = Limits(time_s=20, memory_mb=512, output_bytes=64 << 20, processes=16)
IMAGES = np.random.default_rng(0).random((4, 8, 8, 3), dtype=np.float32)
LABELS = np.arange(4) % 2

HEAD = "import numpy as np\nfrom ihaudit import Augmentation, Claim, Provenance, Release, Scheme\n"
ENCODE = "    def encode(self, images, labels, public, rng):\n"


def declared(body: str) -> str:
    return f"{HEAD}class S(Scheme):\n    {body}\n{ENCODE}        return images, None\n"


def returned(body: str) -> str:
    return f"{HEAD}class S(Scheme):\n{ENCODE}        n = len(images)\n        {body}\n"


#: What a scheme declares, and what is said of it.
DECLARED = {
    "security_parameter = {}": "security_parameter is a dict, expected text",
    "security_parameter = []": "security_parameter is a list",
    "security_parameter = object()": "security_parameter is a object",
    "security_parameter = 'k\\ud800'": "security_parameter names .* which is not a parameter",
    "mechanism = {}": "mechanism is a dict",
    "mechanism = 'laplace'": "mechanism is 'laplace'",
    "augmentation = {'shift': 4}": "augmentation is a dict, expected an Augmentation object",
    "augmentation = Augmentation(shift=-1)": "shift must be a number in",
    "augmentation = Augmentation(mirror='yes')": "mirror must be true or false",
    "augmentation = Augmentation(rotation=float('nan'))": "rotation must be a number in .*, not nan",
    "key = 5": "key is a int",
    "key = 'sometimes'": "key is 'sometimes'",
    "scheme_name = object()": "scheme_name is a object",
    "secrets = 3": "secrets is a int",
    "decomposable = 'no'": "decomposable is a str",
    "claims = 5": "claims must be a tuple of Claim objects, it is a int",
    "claims = ('private',)": "claims must hold Claim objects",
    "claims = Claim('ssim', 10**400)": "bound must be a finite number",
    "claims = Claim('ssim', True)": "bound must be a finite number, not True",
    "claims = Claim('ssim', 0.5, quantile='0.9')": "quantile must be a number",
    "claims = Claim([], 0.5)": "quantity must be one of",
    "claims = Claim('ssim', 0.5, target=object())": "target must be the id",
    "claims = Claim('ssim', 0.5, knows=('everything',))": "knows holds 'everything'",
    "claims = [Claim('ssim', 0.5)] * 101": "101 claims",
    "c = Claim('ssim', 0.5); object.__setattr__(c, 'text', object()); claims = (c,)": "claims holds what is no number",
    "a = Augmentation(); object.__setattr__(a, 'shift', object()); augmentation = a": "augmentation holds what is no",
    "publishes = (b'key',)": "publishes holds a bytes, expected names",
    "publishes = 'key'": "publishes is a str, expected a tuple",
    "precision = np.float16": "precision is a type, expected text",
}
#: What it returns, and what is said of it.
RETURNED = {
    "return Release(images, provenance=Provenance(np.zeros((n, 0), int)))": "at least one column",
    "return Release(images, provenance=Provenance(np.zeros((n, 5000), int)))": "at most 4,096 images",
    "return Release(images, image_range=(0, 10**400))": "image_range must be two numbers",
    "return Release(images, image_range=(0, 1e-300))": "next to equal",
    "return Release(images, image_range=(0, 1e30))": "up to 1e",
    "return Release(images * 1e30)": "scale them",
    "return Release(images, extra={5: images})": "a key that is a int",
    "return Release(images, extra={'\\x00': images})": "named an array",
    "return Release(images, extra={'\\ud800': images})": "named an array",
    "return Release(images, extra={'a' * 300: images})": "named an array",
    "return Release(images.reshape((n,) + (1,) * 16 + (-1,)))": "encodings has 18 axes, expected at most 16",
    "return Release(images, extra={'k': np.zeros((1,) * 30)})": r"extra\['k'\] has 30 axes",
    "import torch; return Release(torch.tensor(images).bfloat16())": "tensor of torch.bfloat16 that numpy cannot hold",
    "import torch; return Release(torch.tensor(images[0, 0]).to_sparse())": "release a dense one",
    "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()": r"the scheme raised E \(line",
    "raise type('E' * 5000, (Exception,), {'__str__': None, '__repr__': None})()": "the scheme raised E{100} ",
    "return Release(images, extra={str(i): images[:1] for i in range(65)})": "more than 64 arrays",
    # 40 MB of bytes fit the limit of 64 MB; as floats they are 160 MB
    "return Release(np.zeros((10_000, 4_000), np.uint8))": "take 160 MB as floats",
}


def process(tmp_path: Path, text: str) -> SchemeProcess:
    path = tmp_path / "scheme.py"
    path.write_text(text)
    (tmp_path / "scratch").mkdir()
    return SchemeProcess(locate(str(path)), limits=LIMITS, scratch=tmp_path / "scratch")


def refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message) as e, process(tmp_path, text) as scheme:
        scheme.encode(IMAGES, LABELS, seed=1)
    assert e.value.exit_code == 2
    assert str(e.value) == printable(str(e.value), lines=False)
    assert list((tmp_path / "scratch").iterdir()) == []
    no_process_is_left(tmp_path)


@pytest.mark.parametrize("body", list(DECLARED))
def test_what_a_scheme_declares_of_another_kind(body: str, tmp_path: Path) -> None:
    refused(tmp_path, declared(body), DECLARED[body])


@pytest.mark.parametrize("body", list(RETURNED))
def test_what_a_scheme_returns_of_another_kind(body: str, tmp_path: Path) -> None:
    refused(tmp_path, returned(body), RETURNED[body])


def test_odd_words_are_made_printable(tmp_path: Path) -> None:
    """Surrogates, nulls and escape sequences; parameters nested deeper than anything is written."""
    text = HEAD + textwrap.dedent("""
        deep = []
        for _ in range(100_000): deep = [deep]
        class S(Scheme):
            scheme_name = "\\x1b[2Jname\\ud800"
            secrets = "\\x00\\u202e"
            claims = (Claim("ssim", 0.5, text="\\ud800\\x07"),)
            def __init__(self, k: int = 1 << 10_000, d=deep, loop=None, text="\\ud800"):
                self.k, self.d, self.text = k, d, text
                self.loop = []
                self.loop.append(self.loop)
            def encode(self, images, labels, public, rng):
                return images, None
        S.__doc__ = "doc \\ud800 \\x1b[31mred \\x00"
    """)
    with process(tmp_path, text) as scheme:
        card = scheme.card
    shown = [card.name, card.doc, card.secrets, card.claims[0].text, json.dumps(card.parameters, ensure_ascii=False)]
    for words in shown:
        assert printable(words) == words
        words.encode()
    assert card.parameters["k"] == "a whole number of 10,001 bits"
    json.dumps(card.parameters)


def test_words_longer_than_a_message_are_cut_and_odd_annotations_are_shown(tmp_path: Path) -> None:
    text = HEAD + textwrap.dedent("""
        class S(Scheme):
            secrets = "x" * 10_000_000
            def __init__(self, k: [int] = 1, j: {} = 2, i: 5 = 3):
                self.k, self.j, self.i = k, j, i
            def encode(self, images, labels, public, rng):
                return images, None
        S.__doc__ = "\u4e2d" * 5_000_000
    """)
    with process(tmp_path, text) as scheme:
        card = scheme.card
    assert len(card.doc) == 20_000 and len(card.secrets) == 5_000
    assert card.parameters == {"k": 1, "j": 2, "i": 3}


def test_a_folder_nested_deeper_than_recursion_is_removed(tmp_path: Path) -> None:
    text = returned(
        "import os\n        fd = os.open('.', 0)\n        for _ in range(2000):\n"
        "            os.mkdir('d' * 50, dir_fd=fd); new = os.open('d' * 50, 0, dir_fd=fd); os.close(fd); fd = new\n"
        "        return Release(images)"
    )
    with process(tmp_path, text) as scheme:
        scheme.encode(IMAGES, LABELS, seed=1)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_cannot_be_removed_does_not_hang(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    (folder / "shut").mkdir(parents=True)
    (folder / "shut" / "file").write_text("x")
    (folder / "link").symlink_to(tmp_path)
    (folder / "shut").chmod(0)
    scratch.remove(str(folder))
    assert not folder.exists()
    assert tmp_path.exists()
    scratch.remove(str(folder))


def test_memory_that_belongs_to_no_process_is_refused_and_shared_memory_counts(tmp_path: Path) -> None:
    from ihaudit.sandbox import capabilities

    if not capabilities()["seccomp"]:
        pytest.skip("this machine filters no system calls")
    refused(
        tmp_path, returned("import os\n        os.memfd_create('x')\n        return Release(images)"), "PermissionError"
    )
    (tmp_path / "scratch").rmdir()
    body = """
        import mmap, os, time
        for _ in range(4):
            shared = mmap.mmap(-1, 200 << 20)
            if os.fork() == 0:
                for i in range(0, len(shared), 4096): shared[i] = 1
                time.sleep(60)
        time.sleep(60)"""
    refused(tmp_path, returned(body), r"MB of memory, its limit is 512 MB \(--scheme-memory\)")


def test_a_killed_auditor_leaves_no_folder(tmp_path: Path) -> None:
    """kill -9: the guard ends the scheme and takes its working folder away."""
    (tmp_path / "scheme.py").write_text(returned("import time; time.sleep(100)"))
    (tmp_path / "scratch").mkdir()
    code = f"""
        from pathlib import Path
        import numpy as np
        from ihaudit.sandbox import SchemeProcess
        from ihaudit.sandbox.loader import locate
        p = SchemeProcess(locate("scheme.py"), scratch=Path({str(tmp_path / "scratch")!r}))
        p.start()
        print("up", flush=True)
        p.encode(np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, int), seed=1)
    """
    auditor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert auditor.stdout is not None
    assert auditor.stdout.readline() == "up\n"
    auditor.kill()
    auditor.wait()
    for _ in range(500):
        if not list((tmp_path / "scratch").iterdir()) and not lingering(tmp_path):
            break
        time.sleep(0.02)
    assert list((tmp_path / "scratch").iterdir()) == []
    no_process_is_left(tmp_path)


# -- fuzzed --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5),
        st.sampled_from(["image", "ssim", "encodings", "k", "gaussian", "\ud800", "\x00\x1b[31m"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3) | st.just("k"), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
CLAIM = st.fixed_dictionaries(
    {
        "quantity": st.just("ssim") | JSON,
        "bound": st.just(0.5) | JSON,
        "knows": st.just(["labels"]) | JSON,
        "quantile": st.just(1.0) | JSON,
        "target": st.none() | JSON,
        "delta": st.just(0.0) | JSON,
        "text": JSON,
    }
)
AUGMENTATION = st.fixed_dictionaries({name: st.floats() | JSON for name in ("shift", "mirror", "rotation", "stretch")})
CARD = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON, "doc": JSON, "parameters": JSON, "types": JSON, "secrets": JSON, "security_parameter": JSON,
        "key": st.just("image") | JSON, "decomposable": JSON, "mechanism": st.none() | JSON, "line": JSON,
        "augmentation": st.none() | AUGMENTATION | JSON,
        "claims": st.lists(CLAIM | JSON, max_size=2) | JSON,
        "precision": st.just("float32") | JSON, "publishes": JSON,
    },
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(CARD | JSON)
def test_any_declaration_is_a_card_that_can_be_written_or_one_sentence(data: Any) -> None:
    try:
        card = declaration.parse(data, SOURCE)
    except SchemeError as e:
        str(e).encode()
        return
    for claim in card.claims:
        claim.sentence().encode()
    card.model_dump_json().encode()


@settings(max_examples=200, deadline=None)
@given(JSON, JSON, JSON, JSON, JSON, JSON, JSON)
def test_a_claim_of_anything_is_a_claim_or_a_value_error(
    quantity: Any, bound: Any, knows: Any, quantile: Any, target: Any, delta: Any, text: Any
) -> None:
    firsts: list[tuple[Any, Any, Any]] = [(quantity, bound, knows), ("ssim", bound, knows), ("ssim", 0.5, ["labels"])]
    for q, b, k in firsts:
        try:
            claim = Claim(q, b, k, quantile=quantile, target=target, delta=delta, text=text)
        except ValueError:
            continue
        assert isinstance(claim.sentence(), str)


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.sampled_from([np.dtype(d) for d in sorted(wire.DTYPES)])
ARRAY = DTYPES.flatmap(
    lambda d: hnp.arrays(d, SHAPES | st.sampled_from([(4, 8), (4, 1), (4, 2), (4,)]), fill=st.nothing())
)
FIELDS = st.sampled_from(
    ["encodings", "labels", "extra/a", "extra/", "provenance/sources", "provenance/coefficients", "provenance/masks",
     "provenance/public_sources", "provenance/public_coefficients", "provenance/other", "other"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, ARRAY, max_size=5), st.just([0, 1]) | JSON, st.booleans())
def test_any_arrays_are_a_release_or_one_sentence(arrays: dict[str, Any], image_range: Any, plain: bool) -> None:
    if plain:
        arrays["encodings"] = np.zeros((4, 8), np.float32)
    try:
        validate.check_size(arrays, 1 << 20)
        release = validate.release(arrays, image_range, n_images=4, n_public=2)
    except SchemeError as e:
        str(e).encode()
        return
    for part in (release.encodings, release.labels):
        assert part is None or (part.dtype == np.float32 and np.isfinite(part).all())
    rows_of(release, 4)
    assert release.image_range[0] < release.image_range[1]


class Sub(np.ndarray):
    """Lies about itself."""

    shape = property(lambda self: (1, 2))

    def __len__(self) -> int:
        raise OSError("no length")


class Lazy:
    """Fails when it is asked for its numbers."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise KeyboardInterrupt

    def __bool__(self) -> bool:
        raise OSError("neither")


class Mute(Exception):
    """Fails when it is asked what it says."""

    def __str__(self) -> str:
        raise SystemExit


class Failing:
    """Fails in another way at every question but those of Python itself."""

    def __getattr__(self, name: str) -> object:
        raise AttributeError if name.startswith("_") else Mute


ODD_DTYPES = ["O", "M8[s]", "m8[D]", "V4", "S3", "U2", "c8", "f2", "f4,f4", ">f8", ">i2", "g", "?", "u8", "i1"]
ODD: st.SearchStrategy[Any] = st.one_of(
    ARRAY,
    st.builds(np.zeros, SHAPES | st.just((4, 8)), st.sampled_from(ODD_DTYPES)),
    ARRAY.map(lambda a: a.view(Sub)),
    st.sampled_from(
        [
            np.ma.masked_array(np.ones((4, 8)), np.eye(4, 8) > 0),
            np.matrix(np.eye(4)),
            np.float64(3),
            np.zeros((1,) * 20),
            np.True_,
        ]
    ),
    st.sampled_from([Lazy(), Failing(), Mute(), Sub, range(4), b"abc", bytearray(8), memoryview(bytes(8)), iter([1])]),
    st.lists(st.lists(st.floats() | st.none(), max_size=3), max_size=4),
    JSON,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["release", "pair", "bare"]), st.just(IMAGES) | ODD, st.none() | ODD, st.just((0, 1)) | ODD,
    st.dictionaries(st.sampled_from(["a", "b/../c", "", "\ud800"]) | st.integers(0, 1), ODD, max_size=2) | ODD,
    st.none() | st.builds(Provenance, ODD, st.none() | ODD, st.none() | ODD, st.none() | ODD, st.none() | ODD) | ODD,
)  # fmt: skip
def test_any_value_that_encode_returns_is_a_release_or_one_sentence(
    kind: str, encodings: Any, labels: Any, image_range: Any, extra: Any, provenance: Any
) -> None:
    """All that happens to an answer: packed by the scheme's process, sent, received, validated."""
    whole = Release(encodings, labels, image_range, extra, provenance)
    try:
        header, fields = worker._pack({"release": whole, "pair": (encodings, labels), "bare": encodings}[kind])
    except BaseException as e:  # as in `worker.main`
        said = worker._failure(e, "/s.py", 100)
        assert said["message"] and isinstance(said["traceback"], str)
        json.dumps(said)
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(theirs, header, fields)
        theirs.shutdown(socket.SHUT_WR)
        try:
            answer, arrays = wire.receive(ours, limit=1 << 16)
            release = validate.release(arrays, answer.get("image_range"), n_images=4, n_public=2)
        except (SchemeError, wire.WireError) as e:
            printable(str(e)).encode()
            return
    assert np.isfinite(release.encodings).all() and release.encodings.dtype == np.float32
    assert all(a.dtype.kind in "biuf" for a in release.extra.values())


def _refuse() -> None:
    raise PermissionError(13, "Permission denied", "/elsewhere/key.bin")


def test_class_numbers_for_labels_are_refused_with_what_makes_rows_of_them() -> None:
    arrays: dict[str, Any] = {"encodings": np.zeros((4, 8, 8, 3), np.float32), "labels": np.arange(4)}
    with pytest.raises(SchemeError, match=r"labels has shape \(4,\).*np\.eye\(n_classes\)\[labels\]"):
        validate.release(arrays, [0, 1], n_images=4, n_public=2)
    with pytest.raises(SchemeError, match=r"\(3, 2\).*or None$"):
        validate.release(arrays | {"labels": np.zeros((3, 2))}, [0, 1], n_images=4, n_public=2)


@pytest.mark.parametrize(
    ("asks", "remedy"),
    [
        (lambda: Client(("127.0.0.1", 1)), "without pools and worker processes"),
        (lambda: socket.create_connection(("127.0.0.1", 1)), "no network"),
        (_refuse, "TMPDIR"),
        (lambda: os.stat("/no/such/file"), ""),
        (lambda: [][1], ""),
    ],
)
def test_what_the_sandbox_refuses_is_said_with_what_to_do_instead(asks: Callable[[], Any], remedy: str) -> None:
    try:
        asks()
    except Exception as e:
        said = str(worker._failure(e, "/s.py", 100)["message"])
    before, _, told = said.partition("; ")
    assert before.startswith("the scheme raised ") and (remedy in told if remedy else not told)


NUMBER = st.integers(-2, 1 << 42) | st.sampled_from([0, 1, 2, 1 << 31, 1 << 40, True])
ENTRY = st.tuples(
    st.text(max_size=4) | st.sampled_from(["encodings", "\x00", "\ud800"]),
    st.sampled_from(sorted(wire.DTYPES)) | JSON,
    st.lists(NUMBER, max_size=5) | JSON,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRY | JSON, max_size=4) | JSON)
def test_any_header_is_read_or_refused(entries: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        head = json.dumps({"arrays": entries}).encode()
        theirs.sendall(struct.pack("<4sI", wire.MAGIC, len(head)) + head + bytes(1 << 14))
        theirs.shutdown(socket.SHUT_WR)
        try:
            _, arrays = wire.receive(ours, limit=1 << 13)
        except wire.WireError:
            return
        assert sum(a.nbytes for a in arrays.values()) <= 1 << 13


def test_every_image_in_every_row_is_provenance_like_any_other(tmp_path: Path) -> None:
    body = "return Release(images, provenance=Provenance(np.tile(np.arange(n), (n, 1))))"
    with process(tmp_path, returned(body)) as scheme:
        release = scheme.encode(IMAGES, LABELS, seed=1)
    assert release.provenance is not None
    assert release.provenance.sources.shape == (4, 4)
    assert rows_of(release, 4) is None
    assert os.listdir(tmp_path / "scratch") == []


def test_what_a_scheme_draws_without_a_seed_is_new_in_every_process(tmp_path: Path) -> None:
    """Forks of a process that has loaded a library share its generators: the same keys and noise, a leak of ours."""
    drawn_from = "[np.random.rand(), random.random(), np.random.default_rng().random()]"
    body = f"import random; return Release((images * 0 + {drawn_from}).astype(np.float32))"
    drawn = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        with process(tmp_path / folder, returned(body)) as scheme:
            drawn.append([scheme.encode(IMAGES, LABELS, seed=1).encodings[0, 0, 0] for _ in range(2)])
    found = np.array(drawn)  # process, call, source
    assert found.shape == (2, 2, 3)
    for source in range(3):
        assert len(set(found[..., source].ravel().tolist())) == 4
