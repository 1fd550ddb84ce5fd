"""Running a scheme's code again under chosen seeds: taps change nothing, masks come out, runs are cut short rightly."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.contracts.replayer import Entry, Replayed, is_seed
from ihaudit.errors import NotApplicable, SchemeError
from ihaudit.release import Release
from ihaudit.sandbox import Replays, SchemeProcess
from ihaudit.sandbox.loader import locate
from ihaudit.sandbox.replay import Server
from ihaudit.sandbox.taps import Enough, Taps
from ihaudit.sandbox.twin import checked

SHAPE = (6, 16, 16, 3)
FEW = (2, 16, 16, 3)
HEAD = """
from dataclasses import dataclass
import random, time
import numpy as np
from ihaudit import Release, Scheme
{imports}

@dataclass
class Masked(Scheme):
    {fields}
    def encode(self, images, labels, public, rng):
        shape = images.shape
        {body}
        return Release((2 * images - 1) * mask, np.eye(2, dtype=np.float32)[labels % 2], (-1, 1))
"""


def scheme(folder: Path, body: str, fields: str = "seed: int = 0", imports: str = "") -> Path:
    path = folder / "scheme.py"
    path.write_text(HEAD.format(body=body, fields=fields, imports=imports))
    return path


def replays(path: Path, sets: dict[str, str] | None = None, **options: Any) -> Replays:
    source = locate(str(path))
    with SchemeProcess(source, sets) as process:
        card = process.card
    return Replays(source, sets or {}, card, n_public=3, **({"workers": 1} | options))


@pytest.fixture
def taps() -> Iterator[Taps]:
    """Taps on this very process, taken off again."""
    import datetime
    import time

    kept: list[tuple[Any, str, Any]] = []
    for module in (np.random, torch, time, datetime):
        for name in dir(module):
            if not name.startswith("__"):
                kept.append((module, name, getattr(module, name)))
    for name in ("bernoulli_", "random_", "uniform_", "normal_"):
        kept.append((torch.Tensor, name, getattr(torch.Tensor, name)))
    made = Taps()
    made.install_numpy()
    made.install_torch()
    made.install_clock()
    yield made
    for module, name, value in kept:
        if getattr(module, name) is not value:
            setattr(module, name, value)


DRAWS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "np.randint": lambda np_, t, g: np_.random.randint(0, 2, (4, 300)),
    "np.choice": lambda np_, t, g: np_.random.choice([-1, 1], size=1200),
    "np.rand": lambda np_, t, g: np_.random.rand(4, 300),
    "np.bytes": lambda np_, t, g: np.frombuffer(np_.random.bytes(150), np.uint8),
    "rng.integers": lambda np_, t, g: np_.random.default_rng(g).integers(0, 2, size=(4, 300)),
    "rng.choice": lambda np_, t, g: np_.random.default_rng(g).choice([-1.0, 1.0], (4, 300)),
    "state.randn": lambda np_, t, g: np_.random.RandomState(g).randn(1200),
    "torch.randint": lambda np_, t, g: t.randint(2, (4, 300)).numpy(),
    "torch.randint low": lambda np_, t, g: t.randint(low=0, high=2, size=(4, 300)).numpy(),
    "torch.rand": lambda np_, t, g: t.rand(4, 300).numpy(),
    "torch.bernoulli": lambda np_, t, g: t.bernoulli(t.full((4, 300), 0.5)).numpy(),
    "torch.random_": lambda np_, t, g: t.empty(4, 300).random_(0, 2).numpy(),
}


@pytest.mark.parametrize("name", list(DRAWS))
def test_taps_change_no_number_and_hear_each_draw(name: str, taps: Taps) -> None:
    draw = DRAWS[name]

    def drawn(listen: bool) -> Any:
        np.random.seed(3)
        torch.manual_seed(3)
        taps.begin(listen=listen)
        out = draw(np, torch, 3)
        heard = list(taps.heard)
        taps.end()
        return np.asarray(out).reshape(-1), heard

    silent, nothing = drawn(False)
    loud, heard = drawn(True)
    assert (silent == loud).all() and nothing == []
    assert len(heard) >= 1
    call, numbers = heard[-1]
    assert np.prod(call.size) == 1200
    np.random.seed(3)
    torch.manual_seed(3)
    taps.begin(stop=(call, 400))
    with pytest.raises(Enough) as stopped:
        draw(np, torch, 3)
    taps.end()
    assert (stopped.value.drawn[:400] == numbers[:400]).all()


def test_tapped_generators_are_what_they_were(taps: Taps) -> None:
    rng = np.random.default_rng(5)
    assert isinstance(rng, np.random.Generator)
    assert np.random.default_rng(rng) is rng
    assert isinstance(np.random.RandomState(1), np.random.RandomState)
    assert rng.permutation(5).shape == (5,) and np.random.permutation(3).shape == (3,)


def test_clock_shows_what_it_is_told(taps: Taps) -> None:
    import datetime
    import time

    assert not taps.clock_read
    taps.now = 1_000_000_000.0
    assert time.time() == 1e9 and time.time_ns() == 10**18
    assert datetime.datetime.now(datetime.UTC).isoformat() == "2001-09-09T01:46:40+00:00"
    assert datetime.date.today().year == 2001 and isinstance(datetime.date.today(), datetime.date)
    assert taps.clock_read
    taps.now = None
    assert time.time() > 1.7e9


BODIES = {
    "default_rng, other draws before": (
        "own = default_rng(self.seed + 99); own.normal(size=50 + int(own.integers(9)));"
        " mask = own.choice([-1.0, 1.0], shape)",
        "from numpy.random import default_rng",
        True,
    ),
    "channels first": (
        "own = np.random.default_rng(self.seed);"
        " mask = 1 - 2 * own.integers(0, 2, (len(images), 3, 16, 16)).transpose(0, 2, 3, 1)",
        "",
        True,
    ),
    "one sign per pixel": (
        "mask = np.sign(np.random.RandomState(self.seed).randn(len(images), 16, 16, 1))",
        "",
        True,
    ),
    "torch generator": (
        "mask = torch.randint(2, shape, generator=torch.Generator().manual_seed(self.seed)).numpy() * 2 - 1",
        "import torch",
        True,
    ),
    "no array is drawn": (
        "own = random.Random(self.seed);"
        " mask = np.array([own.choice((-1, 1)) for _ in range(images.size)]).reshape(shape)",
        "",
        False,
    ),
}


@pytest.mark.parametrize("name", list(BODIES))
def test_cut_and_whole_runs_agree_with_the_scheme(name: str, tmp_path: Path) -> None:
    body, imports, cut = BODIES[name]
    path = scheme(tmp_path, body, imports=imports)
    with SchemeProcess(locate(str(path)), {"seed": "7"}) as process:
        white = np.ones(SHAPE, np.float32)
        want = process.encode(white, np.zeros(6, np.int64), seed=0).encodings[0] > 0
    with replays(path, {"seed": "7"}) as r:
        entry = Entry("parameter", "seed")
        assert r.entries() == [Entry("as it is"), entry]
        learned = r.replay(entry, [1], shape=SHAPE, n_classes=2, learn=True)
        assert bool(learned.draw) is cut
        got = r.replay(entry, list(range(4, 10)), shape=SHAPE, n_classes=2)
        assert got.ok.all() and got.signs.shape == (6, 1, 16, 16, 3)
        assert [bool((s[0] == want).all()) for s in got.signs] == [v == 7 for v in range(4, 10)]
    with replays(path, {"seed": "7"}, workers=2) as r:  # dealt to two processes, answers come in order
        spread = r.replay(entry, list(range(4, 14)), shape=SHAPE, n_classes=2, rows=2)
        assert [bool((s[0] == want).all()) for s in spread.signs] == [v == 7 for v in range(4, 14)]
        whole = r.replay(entry, [7, 8], shape=SHAPE, n_classes=2, rows=6)
        assert whole.total == 6 and (whole.signs[0, 0] == want).all()


def test_set_seeds_are_kept_from_replays(tmp_path: Path) -> None:
    path = scheme(tmp_path, "mask = np.random.default_rng(self.mask_key).choice([-1.0, 1.0], shape)", "mask_key: int")
    with SchemeProcess(locate(str(path)), {"mask_key": "5"}) as process:
        made = process.encode(np.ones(SHAPE, np.float32), np.zeros(6, np.int64), seed=0).encodings > 0
    with replays(path, {"mask_key": "5"}) as r:
        as_is = r.replay(Entry("as it is"), [0], shape=SHAPE, n_classes=2, rows=6)
        assert 0.4 < (as_is.signs[0] == made).mean() < 0.6  # 0 stands in for what the scheme cannot do without
        assert (r.replay(Entry("parameter", "mask_key"), [5], shape=SHAPE, n_classes=2, rows=6).signs[0] == made).all()


def test_as_it_is_runs_in_a_fresh_process_each_time(tmp_path: Path) -> None:
    path = scheme(tmp_path, "mask = np.random.choice([-1.0, 1.0], shape)", imports="np.random.seed(11)")
    with SchemeProcess(locate(str(path))) as process:
        made = process.encode(np.ones(SHAPE, np.float32), np.zeros(6, np.int64), seed=0).encodings > 0
    with replays(path) as r:
        for _ in range(2):
            assert (r.replay(Entry("as it is"), [0], shape=SHAPE, n_classes=2, rows=6).signs[0] == made).all()


def test_clock_and_globals_are_entries_where_they_matter(tmp_path: Path) -> None:
    path = scheme(tmp_path, "mask = np.random.default_rng(int(time.time())).choice([-1.0, 1.0], shape)", "k: int = 1")
    with replays(path, global_seeds=True) as r:
        assert r.entries() == [Entry("as it is"), Entry("globals")]
        r.replay(Entry("as it is"), [0], shape=FEW, n_classes=2)
        assert Entry("clock") in r.entries()
        twice = [r.replay(Entry("clock"), [1_700_000_000], shape=FEW, n_classes=2).signs for _ in range(2)]
        assert (twice[0] == twice[1]).all()
        other = r.replay(Entry("clock"), [1_700_000_001], shape=FEW, n_classes=2).signs
        assert (twice[0] != other).any()


def test_values_that_a_scheme_refuses_are_marked(tmp_path: Path) -> None:
    body = "assert self.seed % 2 == 0; mask = np.random.default_rng(self.seed).choice([-1.0, 1.0], shape)"
    with replays(scheme(tmp_path, body)) as r:
        got = r.replay(Entry("parameter", "seed"), [1, 2, 3, 4], shape=FEW, n_classes=2)
        assert got.ok.tolist() == [False, True, False, True]
        assert not got.signs[0].any() and got.signs[1].any()
        assert not r.replay(Entry("parameter", "seed"), [1], shape=FEW, n_classes=2).ok[0]


def test_a_scheme_that_hangs_or_dies_is_one_sentence(tmp_path: Path) -> None:
    from ihaudit.sandbox import Limits

    path = scheme(tmp_path, "time.sleep(60) if images.min() == 1 else None; mask = np.ones(shape)")
    with replays(path, limits=Limits(time_s=0.5)) as r, pytest.raises(NotApplicable, match=r"longer than 0\.5 s"):
        r.replay(Entry("parameter", "seed"), [1], shape=FEW, n_classes=2)
    path = scheme(tmp_path, "import os; os._exit(3)")
    with replays(path) as r, pytest.raises(NotApplicable, match="ended"):
        r.replay(Entry("as it is"), [0], shape=FEW, n_classes=2)


GOOD: dict[str, Any] = {"rows": 2, "shape": [1, 8, 8, 1], "failed": [], "visible": True, "draw": "x"}


@pytest.mark.parametrize(
    ("answer", "signs"),
    [
        ({"failed": None}, (2, 8)),
        ({"rows": -1}, (2, 8)),
        ({"rows": "many"}, (2, 8)),
        ({"shape": None}, (2, 8)),
        ({"shape": [0, 8, 8, 1]}, (2, 8)),
        ({"shape": [10**6, 8, 8, 1]}, (2, 8)),
        ({}, (2, 7)),
        ({}, (3, 8)),
        ({}, (16,)),
    ],
)
def test_answers_of_another_form_are_refused(answer: dict[str, Any], signs: tuple[int, ...]) -> None:
    with pytest.raises(SchemeError, match="something else"):
        checked(GOOD | answer, {"signs": np.zeros(signs, np.uint8)}, 2, (8, 8, 1))


def test_an_answer_of_the_right_form_is_taken() -> None:
    packed = np.packbits(np.eye(2, 64, dtype=np.uint8), axis=1)
    got: Replayed = checked(GOOD | {"failed": [1]}, {"signs": packed}, 2, (8, 8, 1))
    assert got.signs[0, 0, 0, 0, 0] == 1 and got.signs.sum() == 2 and got.ok.tolist() == [True, False]
    with pytest.raises(NotApplicable, match="shape"):
        checked(GOOD | {"shape": [1, 4, 4, 4]}, {"signs": packed}, 2, (8, 8, 1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_a_server_finds_the_draw_wherever_it_lies(seed: int, before: int) -> None:
    """Without taps nothing is learned, and whole runs are made: the same signs."""

    class Fake:
        def encode(self, images: Any, labels: Any, public: Any, rng: Any) -> Release:
            own = random.Random(seed)
            [own.random() for _ in range(before)]
            mask = np.array([own.choice((-1.0, 1.0)) for _ in range(images.size)]).reshape(images.shape)
            return Release(images * mask, None, (-1, 1))

    server = Server(lambda _: Fake(), Taps(), np.zeros((0, 8, 8, 1), np.float32))
    images = np.ones((1, 8, 8, 1), np.float32)
    request = {"kind": "parameter", "name": "s", "values": [1, 2], "rows": 1, "learn": True, "fast": False}
    header, fields = server.answer(request, {"images": images, "labels": np.zeros(1, np.int64)})
    assert header["draw"] == "" and header["rows"] == 1 and (fields[0][1][0] == fields[0][1][1]).all()


@pytest.mark.parametrize("name", ["seed", "SEED", "rng_seed", "mask_key", "nonce", "salts", "seed_of_masks"])
def test_names_of_seeds(name: str) -> None:
    assert is_seed(name)


@pytest.mark.parametrize("name", ["k", "epochs", "monkey", "seedling", "private_per_encoding", "keyed"])
def test_other_names(name: str) -> None:
    assert not is_seed(name)
