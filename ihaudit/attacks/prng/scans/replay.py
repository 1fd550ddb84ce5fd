"""Seeds that people choose, by replaying the scheme itself: any generator, any order of draws.

Who has the scheme's code runs it on white images, whose encodings show the masks, and compares with the release: first
the code as it is (are the masks secret at all?), then every seed in turn, wherever a seed may enter (a parameter called
like one, the clock, the global generators).  Whether an entry decides the masks is asked first, by two runs of a few
images; an entry that does not is not scanned.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.prng.pairs import rank_pairs
from ihaudit.attacks.prng.scans.ranges import DATES, SMALL, Range
from ihaudit.attacks.prng.search import Explanation, Search
from ihaudit.attacks.prng.stream import UnmaskedRelease, undo
from ihaudit.contracts.replayer import Entry, Replayer
from ihaudit.errors import NotApplicable

#: Pairs of the first encoding that are compared, and how many may disagree: by chance one seed in 2^49 passes.
PAIRS, WRONG = 96, 11
#: Values per request where runs are cut short, and where they are whole.
CHUNK, WHOLE = 5_000, 16
#: Whole runs that a profile pays for where no run can be cut short (each makes a whole release).
BUDGET = {"quick": 4, "standard": 200, "full": 10_000}
#: Numbers that people are fond of, tried before all others.
FAVOURITES = (
    *range(16), 42, 123, 1234, 12345, 123456, 1234567, 12345678, 123456789, 1337, 31337, 2020, 2021, 2022, 2023, 2024,
    2025, 2026, 100, 111, 666, 777, 999, 1000, 3407, 0xDEADBEEF, 0xC0FFEE, 0xBADC0DE, 2**31 - 1, 2**32 - 1,
)  # fmt: skip
_GENERATOR = "the scheme itself, replayed"
REMEDY = (
    "let nothing that can be guessed decide the masks: no fixed seed, no number that a person chose, no time; key a "
    "cryptographically secure generator with 32 bytes of os.urandom, never write them down, and draw everything from it"
)


def ranges_for(entry: Entry, profile: str, now: int) -> list[Range]:
    """What is tried of an entry: favourites, small numbers, dates, times (more in the longer profiles)."""
    day = 86_400
    if entry.kind == "clock":
        span, words = {"quick": (day // 24, "hour"), "standard": (day, "day"), "full": (30 * day, "30 days")}[profile]
        return [Range(range(now, now - span, -1), f"every second of the last {words}")]
    favourites = Range(FAVOURITES, f"{len(FAVOURITES)} favourites (0 to 15, 42, 1234, 2**32 - 1, ...)")
    if profile == "quick":
        return [favourites, Range(range(10_000), "0..9,999")]
    span, words = (day, "1 day") if profile == "standard" else (30 * day, "30 days")
    times = Range(range(now, now - span, -1), f"unix times of the last {words}")
    return [favourites, SMALL, Range(dates(), DATES.words), times]


def dates() -> list[int]:
    """Every day from 1950 to 2035 as a number, 20240229."""
    first, last = dt.date(1950, 1, 1).toordinal(), dt.date(2035, 12, 31).toordinal()
    days = (dt.date.fromordinal(d) for d in range(first, last + 1))
    return [d.year * 10_000 + d.month * 100 + d.day for d in days]


def explain_by_replay(search: Search) -> Explanation | None:
    """Masks that a run of the scheme's code repeats, where the adversary has the code, or None."""
    if search.view.replayer is None:
        return None
    replay = _Replay(search, search.view.replayer)
    with search.stage("replay", "scheme") as record:
        try:
            return replay.run()
        except NotApplicable as e:
            replay.tried(Entry("as it is"), "none", f"not possible: {e}")
            return None
        finally:
            record.diagnostics = {"runs": replay.runs, "draw": replay.draw}


class _Replay:
    """The scheme's code, run for entries and values until its masks are those of the release."""

    def __init__(self, search: Search, replayer: Replayer) -> None:
        self.search, self.replayer, self.x, self.ctx = search, replayer, search.encodings, search.ctx
        labels = search.view.labels
        self.classes = labels.shape[1] if labels is not None and labels.ndim == 2 else 2
        self.image: tuple[int, int, int] = self.x.shape[1:]
        self.pairs = rank_pairs(self.x[:1], PAIRS)
        self.runs, self.draw = 0, ""

    def tried(self, entry: Entry, values: str, outcome: str) -> None:
        """Write down what came of an entry's values."""
        self.search.tried(_GENERATOR, entry.words(), values, outcome)

    def run(self) -> Explanation | None:
        """The code as it is, then every entry."""
        self.ctx.progress("replaying the scheme", None)
        whole = self._shape()
        as_is = Entry("as it is")
        found = self._whole(as_is, 0, whole)
        if found is not None:
            self.tried(as_is, "one run", "the masks of the release")
            return found
        self.tried(as_is, "one run", "other masks")
        for entry in self.replayer.entries():
            if entry.kind != "as it is" and (found := self._entry(entry, whole)) is not None:
                return found
        return None

    def _shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C): as many images as make a release of this size.

        Raises:
            NotApplicable: no number of images does.
        """
        e, few = len(self.x), max(4, self.classes)
        stated = self.search.view.hints.get("n_private")
        small = self.replayer.replay(self._probe, [0], shape=(few, *self.image), n_classes=self.classes, rows=2)
        self.runs += 1
        if not small.ok[0]:
            raise NotApplicable("it fails on white images")
        if not small.visible:
            raise NotApplicable("its encodings of white images show no signs")
        ratio = small.total / few
        n = int(stated) if isinstance(stated, (int, float)) else round(e / ratio)
        if n < 1 or round(n * ratio) != e:
            raise NotApplicable(f"{few} images give {small.total} encodings, so no number of images gives {e:,}")
        return (n, *self.image)

    @property
    def _probe(self) -> Entry:
        """An entry whose process may be used up: the first parameter or the global generators, else as it is."""
        return next((e for e in self.replayer.entries() if e.kind != "as it is"), Entry("as it is"))

    def _whole(self, entry: Entry, value: int, shape: tuple[int, int, int, int]) -> Explanation | None:
        """A whole run; what it explains of the release, or None where that is nothing."""
        got = self.replayer.replay(entry, [value], shape=shape, n_classes=self.classes, rows=len(self.x))
        self.runs += 1
        if not got.ok[0] or got.signs.shape[1] != len(self.x):
            return None
        unmasked = undo(self.x, 2 * got.signs[0].astype(np.int8) - 1)
        return None if unmasked.known.mean() < 0.01 else _explanation(entry, value, unmasked)

    def _entry(self, entry: Entry, whole: tuple[int, int, int, int]) -> Explanation | None:
        few = (max(4, self.classes), *self.image)
        now = int(time.time())
        probe = now if entry.kind == "clock" else 1
        twice = [self.replayer.replay(entry, [probe], shape=few, n_classes=self.classes, rows=4) for _ in range(2)]
        self.runs += 2
        if not all(t.ok[0] for t in twice):
            self.tried(entry, f"{probe}", "the scheme refuses it")
            return None
        if not np.array_equal(twice[0].signs, twice[1].signs):
            self.tried(entry, "two runs", "does not decide the masks (the same value gave different ones)")
            return None
        learned = self.replayer.replay(entry, [probe], shape=whole, n_classes=self.classes, rows=1, learn=True)
        self.runs += 4
        self.draw = learned.draw
        budget = None if learned.draw else BUDGET[self.ctx.profile]
        for r in ranges_for(entry, self.ctx.profile, now):
            values = r.values if budget is None else r.values[:budget]
            if budget is not None:
                budget -= len(values)
            if not len(values):
                self.tried(entry, r.words, "not tried: each run makes a whole release, and the profile allows no more")
                continue
            tried = r.words if len(values) == len(r.values) else f"the first {len(values):,} of {r.words}"
            for value in self._hits(entry, values, whole):
                found = self._whole(entry, value, whole)
                if found is not None:
                    self.tried(entry, tried, f"{value} gives the masks of the release")
                    return found
            self.tried(entry, tried, "no value fits")
        return None

    def _hits(self, entry: Entry, values: Sequence[int], whole: tuple[int, int, int, int]) -> Iterator[int]:
        """Values under which the first encoding's pairs come out as observed, as they are found."""
        size = CHUNK if self.draw else WHOLE
        for start in range(0, len(values), size):
            part = list(values[start : start + size])
            got = self.replayer.replay(entry, part, shape=whole, n_classes=self.classes)
            self.runs += len(part)
            for i in np.flatnonzero(got.ok & (self.wrong(got.signs[:, 0]) <= WRONG * len(self.pairs) // PAIRS)):
                yield part[int(i)]
            self.ctx.progress(f"replaying the scheme, {entry.name or entry.kind}", (start + len(part)) / len(values))

    def wrong(self, signs: NDArray[np.uint8]) -> NDArray[np.int64]:
        """How many of the observed pairs disagree with masks uint8 (V, H, W, C): int64 (V,)."""
        flat = signs.reshape(len(signs), -1)
        differ = flat[:, self.pairs.first] ^ flat[:, self.pairs.second]
        wrong: NDArray[np.int64] = np.count_nonzero(differ != self.pairs.differ, axis=1)
        return wrong


def _explanation(entry: Entry, value: int, unmasked: UnmaskedRelease) -> Explanation:
    origin: dict[str, Any] = {"kind": "replay", "entry": entry.kind, "name": entry.name}
    if entry.kind == "as it is":
        what = "The masks are no secret: the scheme's code, run as it is, draws the very same ones"
    else:
        what = f"The masks follow from the seed {value} ({entry.words()}), found by running the scheme's own code"
        origin["seed"] = value
    return Explanation(
        f"{what}: {unmasked.count} are unmasked.",
        unmasked,
        {"generator": _GENERATOR, "convention": entry.words(), "origin": origin} | unmasked.diagnostics,
        remedy=REMEDY,
    )
