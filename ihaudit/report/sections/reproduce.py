"""Cost, environment, options and hashes: how to repeat the audit."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report import details, words
from ihaudit.report.facts import Pairs, image_rows
from ihaudit.results import Results

#: Findings listed with their cost, the longest first.
MAX_ROWS = 12
#: Options of `ihaudit challenge` that other sections print.
ELSEWHERE = ("notes", "files", "kind")


@section("reproduce", "Cost, and how to repeat it", order=270, annex=True, reports=("audit", "challenge"))
def build(source: Source) -> dict[str, Any]:
    results = source.results
    timed = sorted((f for f in results.findings if f.cost.wall_s > 0), key=lambda f: -f.cost.wall_s)
    return {
        "cost": cost(results),
        "cost_rows": timed[:MAX_ROWS],
        "environment": _environment(results),
        "packages": sorted(results.environment.packages.items()),
        "hashes": _hashes(results),
        "options": _options(results),
        "reused": reused(results),
    }


def reused(results: Results) -> Pairs:
    """What was not run but taken from an earlier audit, and from which."""
    taken = [(f.id, f.details["reused"]) for f in results.findings if f.details.get("reused")]
    return [(id_, details.cell(where)) for id_, where in taken]


def cost(results: Results) -> Pairs:
    """Time, hours and money of the whole audit."""
    c, price = results.cost, results.price_per_hour
    pairs = [("Time on the clock", words.duration(c.wall_s)), ("CPU time", _hours(c.cpu_s))]
    pairs.append(("GPU time", _hours(c.gpu_s) if c.gpu_s else "none"))
    if c.peak_mb:
        pairs.append(("Memory at most", f"{words.number(round(c.peak_mb))} MB"))
    rates = {k: v for k, v in price.items() if k in ("cpu", "gpu") and isinstance(v, (int, float))}
    if rates:
        money = sum(rates.get(k, 0.0) * s / 3600 for k, s in (("cpu", c.cpu_s), ("gpu", c.gpu_s)))
        at = words.listing([f"{words.number(v, 2)} an hour of {k.upper()}" for k, v in rates.items()])
        amount = words.number(money, 2) if money >= 0.01 else "less than 0.01"
        currency = price.get("currency")
        unit = f" {currency}" if isinstance(currency, str) else ""
        pairs.append(("Money", f"{amount}{unit}, at {at} (prices as stated for this audit)"))
    return pairs


def _hours(seconds: float) -> str:
    return f"{words.duration(seconds)} ({words.number(seconds / 3600)} hours)" if seconds else "not recorded"


def _environment(results: Results) -> Pairs:
    """Version, seed, device."""
    e = results.environment
    pairs = [
        ("ihaudit", e.ihaudit),
        ("Profile", results.profile),
        ("Seed", str(results.seed)),
        ("Python", e.python),
        ("Platform", e.platform),
        ("Device", f"{e.device} ({e.device_name})" if e.device_name else e.device),
        ("Cores", str(e.cores)),
        ("Started", e.started or "not recorded"),
        ("Finished", e.finished or "not recorded"),
    ]
    if e.ssim:
        pairs.append(("SSIM as pinned", "; ".join(f"{k} {details.cell(v)}" for k, v in e.ssim.items())))
    return pairs


def _hashes(results: Results) -> Pairs:
    """SHA-256 of everything that went in."""
    pairs = [("scheme file", results.scheme.sha256)]
    pairs += [(f"{row['role']} images ({row['name']})", row["sha256"]) for row in image_rows(results)]
    if results.release:
        pairs.append(("release", results.release.sha256))
    return pairs + [(f"weights {name}", digest) for name, digest in results.environment.weights.items()]


def _options(results: Results) -> Pairs:
    """Options as they were set, flattened."""
    pairs: Pairs = []
    for key, value in results.options.items():
        if key == "plan":  # what --resume compares: versions, hashes and options, all of which stand here already
            continue
        if isinstance(value, dict):
            pairs += [(f"{key}: {k}", _set(v)) for k, v in value.items()]
        elif key not in ELSEWHERE:
            pairs.append((key, _set(value)))
    return pairs


def _set(value: Any) -> str:
    return "not set" if value is None or value == [] else details.cell(value)
