"""From counts to findings: the words, the threshold behind them, costs, and trial sets that can be resumed.

The word of every game comes from one pre-declared statistic (`Finding.primary`).  Its two-sided 95 % interval's
lower end, so a one-sided bound at 2.5 %, is compared with `BROKEN_ABOVE`:

* above it: ``broken``;
* above 0 only: ``no break found`` with the remark that the encodings are *distinguishable*;
* else ``no break found``.

The margin of 0.05 is what keeps a null scheme quiet over a dozen games at once without a correction that depends on how
many games ran: with T trials a null's lower end exceeds it with probability Phi(-1.96 - 0.05 sqrt(T)), that is 0.3 %
for 300 trials and 1e-5 for 2,000.  A declared (epsilon, delta) Gaussian mechanism is held to what its epsilon allows
instead.
"""

from __future__ import annotations

import io
import json
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ihaudit import stats
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.results import Cost, Finding, Kind, Status, atomic_write
from ihaudit.scheme import Knowledge
from ihaudit.stats import Estimate

BROKEN_ABOVE = 0.05
#: What every game needs: encodings of images of one's choice, and images like the private ones to choose from.
NEEDS = frozenset({Knowledge.ORACLE, Knowledge.DISTRIBUTION})
ALL = ("quick", "standard", "full")
LATER = ("standard", "full")
DERIVED = "constants are derived in our documentation from the wording of the proof; the paper's own may differ"
DEFINITION = "advantage = 2 Pr[correct] - 1 = TPR - FPR; 0 is guessing, 1 is certainty"


@dataclass
class Meter:
    """Wall, CPU and peak memory of a block; see `metered`."""

    cost: Cost = field(default_factory=Cost)


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure a block, on one BLAS thread: ``with metered() as m: ...`` and then ``m.cost``."""
    meter, wall, cpu = Meter(), time.perf_counter(), time.process_time()
    try:
        # One BLAS thread: the matrices are small, and sums then do not depend on the number of cores.
        with threadpool_limits(1, user_api="blas"):
            yield meter
    finally:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        meter.cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, peak_mb=peak)


def threshold(setting: GameSetting) -> float:
    """What the primary's lower end must exceed for ``broken``."""
    epsilon = setting.parameters.get("epsilon")
    if setting.mechanism == "gaussian" and isinstance(epsilon, (int, float)) and epsilon > 0:
        delta = float(setting.parameters.get("delta", 0.0) or 0.0)
        return max(BROKEN_ABOVE, stats.max_advantage(float(epsilon), delta))
    return BROKEN_ABOVE


def word(estimate: Estimate, setting: GameSetting) -> tuple[Status, str]:
    """The status of a primary advantage and a remark (empty where the word says it all)."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "inconclusive", "nothing was measured"
    limit = threshold(setting)
    if estimate.low > limit:
        return "broken", ""
    if estimate.low > 0:
        if limit > BROKEN_ABOVE:
            return (
                "no break found",
                f"distinguishable, within the advantage of {limit:.2f} that the declared epsilon allows",
            )
        return "no break found", f"distinguishable from chance, but the lower bound does not exceed {limit:g}"
    if estimate.high < 0:
        return "no break found", "the interval lies below 0: chance in 1 audit of 40, or a rule that is turned around"
    return "no break found", ""


def percent(estimate: Estimate) -> str:
    """Pr[correct] behind an advantage, in words for a sentence: ``64 %``."""
    return "an unknown share" if estimate.value is None else f"{50 * (1 + estimate.value):.0f} %"


def not_run(item: Any, reason: str, kind: Kind = "game") -> Finding:
    """The finding of a game that cannot be played here."""
    return Finding(
        id=item.id,
        kind=kind,
        title=item.title,
        status="not run",
        reason=reason,
        reference=item.reference,
        needs=sorted(k.value for k in item.needs),
    )


def finding(item: Any, *, kind: Kind = "game", **fields: Any) -> Finding:
    """A finding with the id, title, reference and needs of a game (each can be overridden)."""
    fields = {"id": item.id, "title": item.title, "reference": item.reference} | fields
    return Finding(kind=kind, needs=sorted(k.value for k in item.needs), **fields)


def table(columns: list[str], rows: list[list[Any]], title: str = "") -> dict[str, Any]:
    """A table as the report renders it."""
    plain = [[_plain(v) for v in row] for row in rows]
    return {"title": title, "columns": columns, "rows": plain}


def _plain(v: Any) -> Any:
    if isinstance(v, Estimate):
        return str(v)
    if isinstance(v, (np.floating, float)):
        return round(float(v), 4)
    return int(v) if isinstance(v, np.integer) else v


def self_test(f: Finding, floor: float, measured: Estimate, what: str) -> None:
    """Theory against measurement: a floor above the interval's upper end means that the audit itself is wrong."""
    violated = measured.high is not None and floor > measured.high
    f.details["self_test"] = {"floor": floor, "measured_high": measured.high, "holds": not violated}
    if violated:
        f.status = "inconclusive"
        f.reason = (
            f"self-test failed: {what} must be at least {floor:.3f} by the theorem, yet at most "
            f"{measured.high:.3f} was "
            "measured; the audit's sources or trials are wrong (see the check of rows and sources)"
        )


def curve(scores: NDArray, positive: NDArray, points: int = 200) -> dict[str, list[float]]:
    """A ROC curve thinned for JSON, dense where FPR is small (the report plots it on log axes)."""
    r = stats.roc(scores, positive)
    if r.fpr.size > points:
        floor = 0.5 / max(1, int((~np.asarray(positive, bool)).sum()))
        keep = np.unique(np.searchsorted(r.fpr, np.geomspace(floor, 1.0, points)).clip(0, r.fpr.size - 1))
        keep = np.union1d(keep, [0, r.fpr.size - 1])
        return {"fpr": r.fpr[keep].tolist(), "tpr": r.tpr[keep].tolist()}
    return {"fpr": r.fpr.tolist(), "tpr": r.tpr.tolist()}


def fingerprint(setting: GameSetting) -> int:
    """A number that changes with the population and the scheme's parameters (part of every checkpoint's key)."""
    plain = sorted((k, repr(v)) for k, v in setting.parameters.items() if isinstance(v, (bool, int, float, str)))
    words = (setting.images.shape, setting.key, plain)  # a set's repr would change from one process to the next
    crc = zlib.crc32(setting.images[:: max(1, len(setting.images) // 64)].tobytes())
    return zlib.crc32(repr(words).encode(), crc)


Arrays = dict[str, NDArray]


def stored(ctx: Context, setting: GameSetting, name: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The trial set `name`, from its checkpoint where there is one of the same seed, scheme and parameters.

    Files are ``<name>-<crc>.npz`` in ctx.checkpoints, written atomically; a damaged one is made again.
    """
    if ctx.checkpoints is None:
        return make()
    full = json.dumps({"seed": ctx.seed, "data": fingerprint(setting)} | key, sort_keys=True, default=str)
    path = ctx.checkpoints / f"{name}-{zlib.crc32(full.encode()):08x}.npz"
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as z:
                if str(z["__key__"]) == full:
                    return {k: z[k] for k in z.files if k != "__key__"}
        except (OSError, ValueError, KeyError, EOFError):
            path.unlink(missing_ok=True)
    arrays = make()
    buffer = io.BytesIO()
    np.savez(buffer, __key__=np.array(full), **arrays)  # type: ignore[arg-type]
    atomic_write(path, buffer.getvalue())
    return arrays
