"""Whether a scheme is the same in every call: by number of rows, seed, place in a process, clock, files, variables.

A verdict is about the calls that were made.  Here they vary one thing at a time, and their rows are compared in kind
with those of ordinary calls: by how smooth, how spread and how alike rows are, in robust deviations of ordinary rows,
so that other keys and other images make no difference that counts.  Where a call is of another kind, more of that kind
are made, and the question is whether images can be read off them.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.attacks.numerics.known_pairs.learn import learn
from ihaudit.audit.surroundings import INSIDE, STRICT, decides_by, looks_around, words_in
from ihaudit.contracts.context import derive_seed
from ihaudit.contracts.encoder import Encoder
from ihaudit.errors import NotApplicable, SchemeError
from ihaudit.images import ImageSet
from ihaudit.metrics.threads import one_thread
from ihaudit.release import Release, rows_of
from ihaudit.results import Finding
from ihaudit.sandbox.elsewhere import Elsewhere

#: Ordinary calls, and images in each.
CALLS, IMAGES = 24, 12
#: Wall seconds that all of this may take, and released values of ordinary calls and of one that is varied.
SECONDS = 20.0
ORDINARY_VALUES, VALUES = 10_000_000, 4_000_000
#: Numbers of images that are tried besides.
SIZES = (1, 2, 3, 5, 8, 20, 33, 50, 64, 100, 128, 150, 200, 256, 512, 1000)
#: Robust deviations from ordinary rows from which the median row of a call is of another kind.
FAR = 8.0
#: Rows that are asked for of another kind, to see whether images can be read off them; calls made for them at most.
ROWS, MORE = 80, 120
#: Rows of one call at most, so that there are several.
EACH = 25
#: What the clock shows: since when, how much more after each call (seconds), and in how many calls.
DAYS = 86_400.0
CLOCKS = {
    "hour by hour": ("2027-01-13T00:30", 3_900.0, 24),
    "through the years": ("2027-02-01T09:10", 40.3 * DAYS, 40),
}
#: Least deviation of a measure, so that what hardly varies is not taken for exact.
FLOOR = 0.02
MEASURES = (
    "smoothness",
    "smoothness down",
    "smoothness across",
    "mean",
    "spread",
    "share of distinct values",
    "likeness",
)
#: Rows from which it is said how alike they are.
ALIKE = 8
#: The same where nothing can be read off them; and how much more SSIM than ordinary calls they must show otherwise.
VERY_FAR, BETTER = 25.0, 0.1
#: SSIM from which ordinary calls show images outright, and how much less shows where they are hidden.
PLAIN, HIDDEN = 0.5, 0.3

TITLES = {
    "behaviour": "Check: the same in every call",
    "conventions": "Check: conventions do not follow the images",
    "constant": "Check: arrays do not follow the images alone",
}
#: Bytes, as they are and compressed, that an array of a whole call must hold more for each image, to hold it.
LEAST_BYTES = 128

Again = Callable[[], tuple[Sequence[Any], Release]]
Start = Callable[[dict[str, Any]], Elsewhere]


@dataclass(frozen=True, eq=False)
class Odd:
    """Calls of another kind than the ordinary ones.

    Attributes:
        words: what was varied, after "the scheme behaves differently".
        seen: by which measure, and how far.
        shows: whether images can be read off them; None where it could not be asked.
        ssim: SSIM of what is read, on held-out images.
        usual: it is the ordinary calls off which images can be read, and these hide them.
    """

    words: str
    seen: str
    shows: bool | None = None
    ssim: float = np.nan
    usual: bool = False


def behaviour(encoder: Encoder, start: Start, images: ImageSet, text: str, seed: int) -> list[Finding]:
    """Findings of kind ``check``: `checks-behaviour`, and `checks-conventions` and `checks-constant` where
    conventions, or arrays of a whole call whatever the seed, follow the images.

    Args:
        encoder: the scheme, as audited.
        start: a fresh process of it that notes what is asked, with other answers.
        images: like the private ones.
        text: of the scheme's file.
        seed: of the choice of images and of the calls.
    """
    study = _Study(encoder, images, np.random.default_rng(derive_seed(seed, "behaviour")))
    try:
        with one_thread():
            study.ordinary()
            for _ in _varied(study, start, words_in(text)):
                pass
    except SchemeError as e:
        text_ = "Whether the scheme is the same in every call could not be asked: it fails in some."
        return [_finding("behaviour", "measured", text_, study, str(e))]
    except NotApplicable as e:
        return [
            _finding(
                "behaviour", "measured", f"Whether the scheme is the same in every call was not asked: {e}.", study
            )
        ]
    findings = [_verdict(study, text)]
    conventions = study.conventions()
    if conventions:
        findings.append(_finding("conventions", "broken", conventions, study))
    with suppress(SchemeError):
        if constant := study.constant():
            findings.append(_finding("constant", "broken", constant, study))
    return findings


class _Study:
    """Ordinary rows, and what was of another kind."""

    def __init__(self, encoder: Encoder, images: ImageSet, rng: np.random.Generator) -> None:
        self.encoder, self.images, self.rng = encoder, images, rng
        self.odd: list[Odd] = []
        self.tried: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        self.began = time.monotonic()
        self.by_content: list[tuple[Release, Release]] = []
        self.used = 0
        self.plain: tuple[bool | None, float] | None = None

    # --- calls ---

    def some(self, n: int, where: NDArray[np.int64] | None = None) -> tuple[NDArray[Any], NDArray[Any], int]:
        """n images, their classes and a seed."""
        pool = np.arange(len(self.images)) if where is None else where
        pick = self.rng.choice(pool, n, replace=n > len(pool))
        return self.images.images[pick], self.images.labels[pick], int(self.rng.integers(2**62))

    def left(self) -> float:
        return SECONDS - (time.monotonic() - self.began)

    def ordinary(self) -> None:
        """The calls that the others are compared with."""
        count = min(IMAGES, len(self.images) // 2)
        if count < 4:
            raise NotApplicable("there are too few images")
        first = self.some(count)
        self.first = first
        again, labels = self.some(count)[0], first[1]
        self.by_content = [
            tuple(self.encoder.encode_many([first, (again, labels, first[2])])),  # type: ignore[list-item]
        ]
        values = self.by_content[0][0].encodings.size
        self.each = values / count
        calls = max(4, min(CALLS, ORDINARY_VALUES // values))
        while calls > 4 and calls * self.encoder.seconds(count) > SECONDS / 3:
            calls //= 2
        if calls * self.encoder.seconds(count) > SECONDS:
            raise NotApplicable("a call takes too long to make many")
        asked = [self.some(count) for _ in range(calls)]
        self.releases = self.encoder.encode_many(asked)
        self.calls = asked
        self.shape = self.releases[0].encodings.shape[1:]
        rows = np.concatenate([measures(r.encodings) for r in self.releases])
        self.centre = np.median(rows, 0)
        self.spread = np.maximum(1.4826 * np.median(np.abs(rows - self.centre), 0), FLOOR * scale(rows))

    def distance(self, release: Release, *, together: bool = True) -> tuple[float, str]:
        """How far the median row of a call is from ordinary ones, and by what; `together`: all rows are of one call."""
        if release.encodings.shape[1:] != self.shape:
            return 0.0, ""  # features fitted to a call, say: nothing to compare
        z = np.abs(np.median(measures(release.encodings), 0) - self.centre) / self.spread
        z = np.nan_to_num(z)
        z[-1] *= together
        worst = int(np.argmax(z))
        return float(z[worst]), f"{MEASURES[worst]}, {z[worst]:.0f} deviations from ordinary rows"

    def compare(self, words: str, again: Again, releases: Sequence[Release], *, content: bool = False) -> None:
        """Note a condition; where calls under it are of another kind, ask whether they show images.

        Other content may well have other encodings (`content`), and where images can be read off ordinary calls too,
        attacks do that: neither counts.
        """
        self.tried.append(words)
        whole = True
        if len(releases) > 1 and len(releases[0].encodings) < 4 and len({r.encodings.shape for r in releases}) == 1:
            together = np.concatenate([r.encodings for r in releases])
            releases, whole = [replace(releases[0], encodings=together, labels=None, provenance=None)], False
        far = [self.distance(r, together=whole) for r in releases]
        if not far or max(f[0] for f in far) < FAR:
            return
        seen = max(far)
        shows, reached = self.shows(again, FAR)
        if self.plain is None:
            self.plain = self.shows(self.usual, -1.0)
        if self.plain[0] and self.plain[1] > PLAIN and not content:
            if shows is not None and not reached > self.plain[1] - HIDDEN:
                self.odd.append(Odd(words, seen[1], True, self.plain[1], usual=True))
            return
        if (self.plain[0] and not (shows and reached > self.plain[1] + BETTER)) or (not shows and content):
            return
        if shows or seen[0] > VERY_FAR:
            self.odd.append(Odd(words, seen[1], shows, reached))

    def usual(self) -> tuple[Sequence[Any], Release]:
        """An ordinary call, every one once."""
        if self.used == len(self.calls):
            raise SchemeError("there are no more ordinary calls")
        self.used += 1
        return self.calls[self.used - 1], self.releases[self.used - 1]

    def shows(self, again: Again, least: float) -> tuple[bool | None, float]:
        """Whether images can be read off calls that are at least so far from ordinary ones."""
        images, rows, call = [], [], []
        for i in range(MORE):
            if self.left() < -SECONDS:  # as long again
                break
            with suppress(SchemeError):
                (x, _, _), release = again()
                source = rows_of(release, len(x))
                if source is None:
                    return None, np.nan
                far = self.distance(release)[0]
                if far < least or (least < 0 and far >= FAR):
                    continue
                source = source[:EACH]
                images.append(np.asarray(x, np.float32)[source])
                rows.append(np.asarray(release.encodings[: len(source)], np.float32))
                call.append(np.full(len(source), i))
                if sum(map(len, images)) >= ROWS:
                    break
        if len(images) < 3 or sum(map(len, images)) < 24 or len({r.shape[1:] for r in rows}) > 1:
            return None, np.nan
        x, y, which = (np.concatenate(v) for v in (images, rows, call))
        once = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)[1]  # what was seen could be looked up
        x, y, which = (v[np.sort(once)] for v in (x, y, which))
        calls = np.unique(which)
        last = calls[-max(1, len(calls) // 4) :]
        held = np.flatnonzero(np.isin(which, last))  # other calls, and so other keys
        families = ("pad", "positions", "spectrum", "local", "global", "prior")
        try:
            found = learn(x, y, y[held], self.rng, held, families, self.images.images)
        except (np.linalg.LinAlgError, ValueError):
            return None, np.nan
        return found.inverse is not None and found.shown, float(found.expected)

    def conventions(self) -> str:
        """What is called a convention and follows the images; empty where nothing does."""
        said = []
        for one, other in self.by_content:
            if one.image_range != other.image_range:
                a, b = one.image_range, other.image_range
                said.append(f"image_range is ({a[0]:g}, {a[1]:g}) for some images and ({b[0]:g}, {b[1]:g}) for others")
        names = {tuple(r.extra) for r in [*self.releases, *(r for pair in self.by_content for r in pair)]}
        if len(names) > 1:
            said.append("arrays in extra are called otherwise in every call")
        if not said:
            return ""
        return f"What should be a convention follows the images, and can carry them: {'; '.join(said)}. State it once."

    def constant(self) -> str:
        """Which arrays of a whole call are the same under every seed and hold something of each image; empty for none.

        Arrays by row, and everything that can be dealt out to images, attacks look at.
        """
        (images, labels, seed), (one, other) = self.first, self.by_content[0]
        half = len(images) // 2
        asked = [(images, labels, seed + 1), (images[:half], labels[:half], seed + 1)]
        again, fewer = self.encoder.encode_many(asked)
        said = []
        for name, a in one.extra.items():
            b, c, d = (r.extra.get(name) for r in (again, other, fewer))
            if b is None or c is None or d is None or (a.ndim and len(a) == len(one.encodings)):
                continue
            if not np.array_equal(a, b) or np.array_equal(a, c):
                continue
            if a.nbytes - d.nbytes < LEAST_BYTES * (len(images) - half):
                continue  # a mean, say: of more images it is no longer, though harder to compress
            grows = (len(zlib.compress(a.tobytes())) - len(zlib.compress(d.tobytes()))) / (len(images) - half)
            if grows >= LEAST_BYTES:
                said.append(f"{name[:60]!r} (about {grows:,.0f} bytes an image)")
        if not said:
            return ""
        return (
            f"What the scheme releases in {', '.join(said)} follows the images alone: it is the same under every seed, "
            "another for other images, and grows with their number. Whoever has the code can tell of any images "
            "whether it was made of them, and what undoes it stands in the code."
        )


def _varied(study: _Study, start: Start, words: Sequence[str]) -> Iterator[None]:
    """Every condition in turn, while time lasts; each adds to the study.

    `words`: what the code compares with, which variables may be, too.
    """
    encoder = study.encoder

    def more(n: int, where: NDArray[np.int64] | None = None, process: Encoder = encoder) -> Any:
        def again() -> tuple[Sequence[Any], Release]:
            call = study.some(n, where)
            return call, process.encode(call[0], call[1], seed=call[2])

        return again

    count = len(study.calls[0][0])
    study.compare("by seed", more(count), study.releases)
    yield
    alone = rows_of(study.releases[0], count) is not None
    for n in SIZES:
        if n < count and not alone:
            continue  # rows mix several images: with few of them they must be of another kind
        if n > 4 * len(study.images) or n * study.each > VALUES or encoder.seconds(n) > max(0.0, study.left()) / 4:
            continue
        again = more(n)
        with suppress(SchemeError):  # it may refuse so few, or so many
            study.compare(
                f"with {n} image{'s' if n > 1 else ''}", again, [again()[1] for _ in range(4 if n < 4 else 1)]
            )
        yield
    classes, counts = np.unique(study.images.labels, return_counts=True)
    if len(classes) > 1 and counts.max() >= count:
        mine = np.flatnonzero(study.images.labels == classes[np.argmax(counts)])
        again = more(count, mine)
        study.compare("with images of one class", again, [again()[1]], content=True)
        yield
    if study.left() <= 0:
        return
    with start({}) as fresh:
        first = more(count, process=fresh)

        def anew() -> tuple[Sequence[Any], Release]:
            with start({}) as other:
                call: tuple[Sequence[Any], Release] = more(IMAGES, process=other)()
                return call

        study.compare("in the first call of a process", anew, [first()[1]])
        study.compare("in the calls that follow", first, [first()[1] for _ in range(5)])
        study.asked |= fresh.asked
    yield
    kinds = {k for k, _ in study.asked}
    conditions: list[tuple[str, dict[str, Any], int]] = []
    if "clock" in kinds:
        conditions += [(f"by the clock, {w}", {"now": _seconds(t), "step": s}, n) for w, (t, s, n) in CLOCKS.items()]
    if "file" in kinds:
        conditions += [("where the files that it asks for exist", {"exists": True}, 2)]
        conditions += [("where the files that it asks for do not exist", {"exists": False}, 2)]
    if "variable" in kinds:
        conditions += [
            (f"where the variables that it asks for are “{v}”", {"value": v}, 2) for v in ("1", "true", *words)
        ]
    for said, answers, calls in conditions:
        with suppress(SchemeError), start(answers) as process:
            again = more(count, process=process)
            study.compare(said, again, [again()[1] for _ in range(calls)])
            study.asked |= process.asked
        yield


def _seconds(moment: str) -> float:
    return float((np.datetime64(moment) - np.datetime64("1970-01-01T00:00")) / np.timedelta64(1, "s"))


def _verdict(study: _Study, text: str) -> Finding:
    asked = sorted(study.asked)
    looks = looks_around(text)
    flags = []
    if asked:
        what = "; ".join(sorted({f"the {w}" if k == "clock" else f"{k} {w}" for k, w in asked})[:6]).replace(
            "the the", "the"
        )
        flags.append(
            f"The scheme's code asks about where and when it runs ({what}); what other answers make it do was tried."
        )
    if looks:
        flags.append(f"The scheme's code looks at who runs it ({', '.join(looks)}): it may behave otherwise elsewhere.")
    rows = [["conditions", ", ".join(study.tried)], *[[f"differs {o.words}", o.seen] for o in study.odd]]
    details: dict[str, Any] = {"table": {"title": "", "columns": ["quantity", "value"], "rows": rows}}
    if flags:
        details["flags"] = flags
    spying = sorted({*(STRICT & set(looks)), *(w for k, w in asked if k == "machine")})
    spying += [name for name in looks if name.startswith(INSIDE)]
    spying += [name for name in decides_by(text) if name not in spying]
    if not study.odd and spying:
        reason = (
            f"the scheme's code looks at who runs it ({', '.join(spying)}): a verdict on what it does here says "
            "nothing of what it does elsewhere"
        )
        return _finding("behaviour", "inconclusive", f"{reason[0].upper()}{reason[1:]}.", study, reason, details)
    if not study.odd:
        sentence = f"Encodings were of one kind under {len(study.tried)} conditions (number of images, seed, process"
        sentence += ", clock, files, variables)." if asked else ")."
        return _finding("behaviour", "measured", sentence, study, details=details)
    shown = [o for o in study.odd if o.shows]
    worst = max(shown, key=lambda o: o.ssim) if shown else study.odd[0]
    where = ", ".join(o.words for o in study.odd[:4]) + (", ..." if len(study.odd) > 4 else "")
    if shown:
        sentence = (
            f"The scheme behaves differently {where}; images can be read off its encodings "
            f"{'in other calls' if worst.usual else worst.words} (SSIM {worst.ssim:.2f})."
        )
        return _finding("behaviour", "broken", sentence, study, details=details)
    reason = (
        f"the scheme behaves differently {where} ({worst.seen}), so that a verdict would be about one of its behaviours"
    )
    return _finding("behaviour", "inconclusive", f"{reason[0].upper()}{reason[1:]}.", study, reason, details)


def measures(encodings: NDArray[Any]) -> NDArray[np.float64]:
    """float64 (n, len(MEASURES)) of each row."""
    x = np.asarray(encodings, np.float32)
    n = len(x)
    flat = x.reshape(n, -1)
    out = np.zeros((n, len(MEASURES)))
    out[:, 0] = _lag(flat, 1)
    if x.ndim > 2:
        out[:, 1] = _lag(x, 1)
        out[:, 2] = _lag(x, 2)
    out[:, 3], out[:, 4] = flat.mean(1), flat.std(1)
    some = np.sort(flat[:, :: max(1, flat.shape[1] // 512)], 1)
    out[:, 5] = (np.diff(some, axis=1) > 0).mean(1) if some.shape[1] > 1 else 0
    if n >= ALIKE:
        unit = flat - flat.mean(1, keepdims=True)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        unit = unit[:64]
        alike = np.abs(unit @ unit.T)
        out[:, 6] = (alike.sum() - np.trace(alike)) / max(1, len(unit) * (len(unit) - 1))
    else:
        out[:, 6] = np.nan
    return out


def _lag(x: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Correlation of neighbours along an axis, of each row."""
    if x.shape[axis] < 3:
        return np.zeros(len(x))
    a = np.delete(x, -1, axis).reshape(len(x), -1).astype(np.float64)
    b = np.delete(x, 0, axis).reshape(len(x), -1).astype(np.float64)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    result: NDArray[np.float64] = np.where(norm > 1e-12, (a * b).sum(1) / np.maximum(norm, 1e-12), 0.0)
    return result


def scale(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What `FLOOR` is a share of: 1 for correlations and shares, the spread of values for mean and spread."""
    typical = max(float(np.median(rows[:, 4])), 1e-12)
    out = np.ones(len(MEASURES))
    out[[3, 4]] = typical
    return out


def _finding(
    name: str, status: Any, sentence: str, study: _Study, reason: str = "", details: dict[str, Any] | None = None
) -> Finding:
    return Finding(
        id=f"checks-{name}",
        kind="check",
        title=TITLES[name],
        status=status,
        sentence=sentence,
        reason=reason,
        reference="design: a verdict is about the calls that were made",
        details=details or {},
    )
