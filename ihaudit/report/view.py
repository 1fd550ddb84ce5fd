"""The context of the HTML template: every section's content, from results.json and arrays.npz alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ihaudit.report import (
    cards,
    challenge,
    claims,
    essay,
    flags,
    formal,
    gallery,
    glossary,
    plain,
    plots,
    reproduce,
    summary,
    words,
)
from ihaudit.results import Finding

if TYPE_CHECKING:
    from ihaudit.report.base import Source

#: Sections in order: anchor, title.
SECTIONS = (
    ("verdict", "Verdict"),
    ("claims", "Claim against measurement"),
    ("scheme", "The scheme, and what the attacker has"),
    ("games", "Games"),
    ("attacks", "Attacks"),
    ("gallery", "Reconstructions"),
    ("controls", "Controls and reliability"),
    ("notrun", "What did not run, and why"),
    ("limits", "Limits, and seven questions"),
    ("reproduce", "Cost, and how to repeat this audit"),
    ("log", "What the scheme printed"),
    ("glossary", "Glossary and references"),
)
#: Attacks with a gallery of their own beside the strongest one's, and characters of the log that are printed.
OTHER_GALLERIES, MAX_LOG = 5, 5000


def build(source: Source) -> dict[str, Any]:
    """Everything that templates/report.html.j2 shows; a release without a scheme has sections of its own."""
    r = source.results
    if challenge.is_challenge(r):
        return challenge.build(source)
    claim_rows, check_rows = claims.build(r)
    not_run = [f for f in r.findings if f.status == "not run"]
    return {
        "results": r,
        "sections": [{"id": id_, "title": title, "number": i + 1} for i, (id_, title) in enumerate(SECTIONS)],
        "verdict": summary.build(source),
        "at_a_glance": _at_a_glance(r.findings),
        "claims": claim_rows,
        "checks": check_rows,
        "scheme_card": reproduce.scheme_card(r),
        "parameters": sorted(r.scheme.parameters.items()),
        "release_card": reproduce.release_card(r),
        "image_rows": reproduce.image_rows(r),
        "adversary": reproduce.adversary(r),
        "games": formal.games(source),
        "attacks": cards.attacks(source),
        "gallery": _galleries(source),
        "controls": [cards.card(f) for f in r.of_kind("control")],
        "control_parts": formal.controls(source),
        "flags": flags.build(source),
        "not_run": not_run,
        "inconclusive": [f for f in r.findings if f.status == "inconclusive"],
        "essay": essay.build(r),
        "cost": reproduce.cost(r),
        "cost_rows": sorted((f for f in r.findings if f.cost.wall_s > 0), key=lambda f: -f.cost.wall_s)[:12],
        "environment": reproduce.environment(r),
        "packages": sorted(r.environment.packages.items()),
        "hashes": reproduce.hashes(r),
        "options": reproduce.options(r),
        "doc": plain.reflow(r.scheme.doc),
        "log": r.scheme.log[:MAX_LOG],
        "log_left_off": max(0, len(r.scheme.log) - MAX_LOG),
        "terms": glossary.TERMS,
        "references": glossary.REFERENCES,
        "finding_references": glossary.references(r),
        "samples": source.samples,
    }


def _at_a_glance(findings: list[Finding]) -> list[dict[str, Any]]:
    """How many attacks, games and so on came out how, one row per kind that gives verdicts."""
    rows = []
    for kind in ("attack", "game", "check", "observation"):
        part = [f for f in findings if f.kind == kind]
        if part:
            counts = {
                s: sum(f.status == s for f in part) for s in ("broken", "no break found", "inconclusive", "not run")
            }
            rows.append({"kind": words.plural(len(part), words.KIND_WORD[kind]), "counts": counts})
    return rows


def _galleries(source: Source) -> dict[str, Any]:
    """Section 6: the strongest attack's gallery and histogram, smaller ones of other attacks, undone masks."""
    best = summary.strongest_attack(source.results)
    others = [f for f in cards.ran(source, "attack") if f is not best]
    main = gallery.build(source, best, 3, overview=True) if best and summary.answered(best) else None
    found = [gallery.build(source, f, 1) for f in others if summary.answered(f)]
    masks = [gallery.unmasked(source, f) for f in source.results.of_kind("attack")]
    return {
        "best": best,
        "main": main,
        "others": [g for g in found if g][:OTHER_GALLERIES],
        "unmasked": [g for g in masks if g][:OTHER_GALLERIES],
        "histogram": _histogram(source, best) if best else None,
        "why_none": _why_none(source, best),
    }


def _why_none(source: Source, best: Finding | None) -> str:
    if best is None:
        return "No attack was scored, so there is nothing to show."
    if not summary.answered(best):
        return "No attack answered with a picture that could stand for a private image, so there is nothing to show."
    if not source.samples:
        return "Private images were left out of this report (--no-samples)."
    if gallery.private_images(source) is None:
        return "The arrays beside results.json hold no private images (--no-samples, or they were removed)."
    return "The reconstructions of this attack are not among the arrays, or are not images."


def _histogram(source: Source, best: Finding) -> cards.Chart | None:
    scores = source.scores(best)
    if scores is None:
        return None
    marks = []
    for f in source.results.of_kind("baseline"):
        e = f.metrics.get("ssim")
        if e is not None and e.value is not None:
            marks.append((f.title, e.value))
    chance = best.metrics.get("ssim_chance")
    if chance is not None and chance.value is not None:
        marks.append(("same pictures on decoys", chance.value))
    bound = summary.ssim_bound(source.results)
    uri = plots.histogram(scores, marks, bound, "SSIM of a private image with its reconstruction")
    levels = "; ".join(f"{name} {words.number(value, 2)}" for name, value in marks)
    caption = (
        f"SSIM of each private image under {best.title}; the lines mark means of trivial guesses and the gate’s bound."
    )
    ends = f"from {words.number(float(scores.min()), 2)} to {words.number(float(scores.max()), 2)}"
    return cards.Chart(uri, caption, f"Histogram of {len(scores)} SSIM scores {ends}. Marked: {levels or 'nothing'}.")
