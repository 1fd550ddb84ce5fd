"""Seeds that people choose, by replaying: found wherever they enter, and nothing found where nothing can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.prng import Prng
from ihaudit.attacks.prng.scans.replay import FAVOURITES, dates, explain_by_replay, ranges_for
from ihaudit.attacks.prng.search import Search
from ihaudit.audit.subject import described
from ihaudit.contracts.context import Context
from ihaudit.contracts.replayer import Entry, Replayed
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.sandbox.declaration import Declaration
from ihaudit.scheme import Knowledge
from tests.attacks.prng.helpers import mixtures

SHAPE = (16, 32, 32, 3)
SEED = Entry("parameter", "seed")


class Fake:
    """A replayer whose masks are SHAKE-like in everything but the entry that decides them."""

    def __init__(self, decides: Entry, draw: str = "a draw", entries: Sequence[Entry] = (SEED,)) -> None:
        self.decides, self.draw, self._entries, self.calls = decides, draw, list(entries), 0

    def masks(self, n: int, key: int) -> np.ndarray:
        return np.random.default_rng([key, 77]).choice(np.array([0, 1], np.uint8), (n, *SHAPE[1:]))

    def entries(self) -> list[Entry]:
        return [Entry("as it is"), *self._entries]

    def replay(
        self,
        entry: Entry,
        values: Sequence[int],
        *,
        shape: tuple[int, int, int, int],
        n_classes: int,
        rows: int = 1,
        learn: bool = False,
    ) -> Replayed:
        self.calls += len(values)
        fixed = entry == self.decides or self.decides.kind == "as it is"
        keys = [(0 if self.decides.kind == "as it is" else v) if fixed else 10**12 + self.calls for v in values]
        signs = np.stack([self.masks(shape[0], k)[:rows] for k in keys])
        return Replayed(signs, np.ones(len(values), bool), shape[0], True, self.draw if learn else "")


def view_of(fake: Any, key: int, count: int = SHAPE[0]) -> View:
    plain = mixtures(count, 3)
    x = plain * (2.0 * Fake(SEED).masks(count, key) - 1)
    return View(x.astype(np.float32), None, (-1.0, 1.0), replayer=fake)


def search(view: View, profile: Any = "quick") -> tuple[Any, list[dict[str, Any]]]:
    started = Search(np.asarray(view.encodings), True, view, Context(0, profile=profile))
    return explain_by_replay(started), started.scanned


def test_a_seed_in_a_parameter_is_found_and_unmasks_all() -> None:
    fake = Fake(SEED)
    view = view_of(fake, 4321)
    found, scanned = search(view)
    assert found is not None and found.diagnostics["origin"] == {
        "kind": "replay", "entry": "parameter", "name": "seed", "seed": 4321,
    }  # fmt: skip
    assert found.unmasked is not None and found.unmasked.known.all()
    np.testing.assert_allclose(found.unmasked.mixtures, mixtures(SHAPE[0], 3), atol=1e-6)
    assert "4321" in scanned[-1]["outcome"] and "os.urandom" in found.remedy


def test_code_that_draws_the_same_masks_every_time() -> None:
    found, scanned = search(view_of(Fake(Entry("as it is")), 0))
    assert found is not None and "no secret" in found.sentence and "seed" not in found.diagnostics["origin"]
    assert len(scanned) == 1


def test_nothing_is_found_where_the_seed_is_not_tried_or_nothing_decides() -> None:
    found, scanned = search(view_of(Fake(SEED), 10**7 + 1))
    assert found is None
    assert [r["outcome"] for r in scanned] == ["other masks", "no value fits", "no value fits"]
    fake = Fake(Entry("parameter", "other"))
    found, scanned = search(view_of(fake, 1))
    assert found is None and "does not decide" in scanned[-1]["outcome"]
    assert fake.calls < 10  # an entry that decides nothing is not scanned


def test_whole_runs_are_rationed_and_said_to_be() -> None:
    fake = Fake(SEED, draw="")
    found, scanned = search(view_of(fake, 9999))
    assert found is None and fake.calls < 20
    assert scanned[1]["range"].startswith("the first 4 of") and "not tried" in scanned[2]["outcome"]
    assert search(view_of(Fake(SEED, draw=""), 3))[0] is not None  # among the favourites


def test_a_release_of_another_size_is_not_possible() -> None:
    class Three(Fake):
        def replay(self, entry: Entry, values: Sequence[int], **how: Any) -> Replayed:
            return replace(super().replay(entry, values, **how), total=3 * how["shape"][0])

    found, scanned = search(view_of(Three(SEED), 1))
    assert found is None and "no number of images gives 16" in scanned[-1]["outcome"]


@pytest.mark.parametrize("trouble", ["refuses", "hidden", "raises"])
def test_schemes_that_cannot_be_replayed(trouble: str) -> None:
    class Bad(Fake):
        def replay(self, entry: Entry, values: Sequence[int], **how: Any) -> Replayed:
            if trouble == "raises":
                raise NotApplicable("it could not be run again: it is broken")
            got = super().replay(entry, values, **how)
            return replace(got, ok=np.zeros_like(got.ok)) if trouble == "refuses" else replace(got, visible=False)

    found, scanned = search(view_of(Bad(SEED), 1))
    assert found is None and scanned[-1]["outcome"].startswith("not possible: ")


def test_without_the_code_nothing_is_replayed() -> None:
    assert search(replace(view_of(None, 1), replayer=None)) == (None, [])


@pytest.mark.parametrize("kind", ["parameter", "clock", "globals"])
@pytest.mark.parametrize("profile", ["quick", "standard", "full"])
def test_what_is_tried(kind: Any, profile: str) -> None:
    now = 1_795_000_000
    ranges = ranges_for(Entry(kind), profile, now)
    assert all(len(r.values) and r.words for r in ranges)
    if kind == "clock":
        assert ranges[0].values[0] == now and len(ranges) == 1
    else:
        assert 42 in ranges[0].values and 2**32 - 1 in ranges[0].values
        assert profile == "quick" or 10**6 - 1 in ranges[1].values


def test_dates_are_days() -> None:
    d = dates()
    assert 20240229 in d and 20230229 not in d and d[0] == 19500101 and d[-1] == 20351231
    assert len(FAVOURITES) == len(set(FAVOURITES))


def test_the_attack_uses_it_and_reports_it() -> None:
    view = replace(view_of(Fake(SEED), 77), knows=frozenset({Knowledge.ENCODINGS, Knowledge.CODE}))
    out = Prng(seedless="no").run(view, Context(0))
    assert out.broke is True and "seed 77" in out.sentence and "nothing that can be guessed" in out.sentence
    assert any("replayed" in name for name in out.diagnostics["tables"])
    assert out.unmasked is not None and out.stages[0].name == "replay"


def test_what_is_public_of_the_code_is_without_seeds() -> None:
    card = Declaration(name="x", source="x.py", sha256="", parameters={"k": 4, "rng_seed": 7, "seed": 3})
    assert described(card) == {"name": "x", "parameters": {"k": 4}}
