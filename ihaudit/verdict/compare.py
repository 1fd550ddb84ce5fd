"""Two results side by side, for a reviewer who asks whether a change of the scheme helped."""

from __future__ import annotations

from typing import Any

from ihaudit import registry
from ihaudit.errors import UsageError
from ihaudit.results import Results


def compare(before: Results, after: Results, slack: float) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare every metric that both audits measured.

    Args:
        before: the baseline.
        after: the new results.
        slack: change for the worse of a gated metric that is tolerated.

    Returns:
        Rows (finding, metric, before, after, change) and the list of gated metrics (`ihaudit.contracts.metric`) that
        rose by more than `slack` (fell, where lower is better) with intervals that do not contain the other's value.

    Raises:
        UsageError: SSIM settings, profile, or number of private images differ, so that numbers cannot be compared.
    """
    for name, a, b in (
        ("SSIM settings", before.environment.ssim, after.environment.ssim),
        ("profile", before.profile, after.profile),
        ("number of private images", before.private and before.private.count, after.private and after.private.count),
    ):
        if a != b:
            raise UsageError(f"the two audits cannot be compared: {name} was {a!r} and is {b!r}; run both alike")
    rows: list[dict[str, Any]] = []
    worse: list[str] = []
    for new in after.findings:
        old = before.finding(new.id)
        if old is None or new.kind == "control":
            continue
        for metric, y in new.metrics.items():
            x = old.metrics.get(metric)
            if x is None or x.value is None or y.value is None:
                continue
            change = y.value - x.value
            rows.append(
                {"finding": new.id, "metric": metric, "before": str(x), "after": str(y), "change": f"{change:+.3f}"}
            )
            known = registry.load("metric").get(metric)
            if known is None or not known.gated or new.kind not in ("attack", "game"):
                continue
            if known.higher_is_better:
                rise, separated = change, y.low is None or y.low > x.value
            else:
                rise, separated = -change, y.high is None or y.high < x.value
            if rise > slack and separated:
                worse.append(f"{new.id} {metric} {change:+.3f}")
    return rows, worse
