"""The attack `prng`: is the randomness of the encoding predictable?  Recovers the generator and undoes the masks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ihaudit.attacks.prng import search
from ihaudit.attacks.prng.pairs import agreement
from ihaudit.attacks.prng.reconstruct import Recovered, images_from, matcher_of, orient
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.results import StageRecord
from ihaudit.scheme import Knowledge


@dataclass(frozen=True)
class Prng:
    """Predicts the masks of a release from the release itself.

    Fields:
        seedless: solve for a Mersenne Twister state by linear algebra over GF(2).
        human: try seeds that people choose, by running the scheme's code where that is known (`replay`), and by models
            of the usual generators.
        scans: the scans of all 2^32 seeds of the Mersenne Twisters of numpy, torch and random.Random, PCG64, Philox and
            SFC64: ``auto`` (in the profile `full`), ``never``, or ``always`` (in every profile; one to two CPU-hours).
    """

    seedless: Literal["yes", "no"] = "yes"
    human: Literal["yes", "no"] = "yes"
    scans: Literal["auto", "never", "always"] = "auto"

    id: ClassVar[str] = "prng"
    title: ClassVar[str] = "Recovers the generator of the masks (state or seed) and undoes them"
    reference: ClassVar[str] = "Carlini et al. 2021, appendix B; linear algebra over GF(2) on neighbouring pixels"
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.ENCODINGS})
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False  # the controls have no masks to predict

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`.  ``broke`` is True only when predicted masks explain the release."""
        x = np.asarray(view.encodings)
        if x.ndim != 4 or min(x.shape[1:3]) < 8:
            raise NotApplicable(
                f"encodings of shape {tuple(x.shape[1:])} are not images, whose neighbouring pixels it compares"
            )
        if not len(x):
            raise NotApplicable("there are no encodings")
        x = x.astype(np.float32, copy=False)
        signed = bool((x < 0).any() and (x > 0).any())
        probe = x[: min(len(x), 64)]
        smooth = float(np.median(agreement(probe))) if signed else 1.0
        if signed and smooth > 0.8:
            signed = False
        if not signed and view.labels is None:
            raise NotApplicable(
                "the signs of neighbouring pixels agree, so there is no random sign mask to predict, and there are no "
                "labels that would carry coefficients"
            )
        stages: list[StageRecord] = []
        scanned: list[dict[str, Any]] = []
        began = time.perf_counter()
        found = search.find(x if signed else None, view, ctx, self, scanned, stages)
        diagnostics: dict[str, Any] = {
            "scanned": scanned,
            "sign_agreement_of_neighbours": smooth,
            "signed": signed,
            "search_s": round(time.perf_counter() - began, 3),
        }
        diagnostics["tables"] = scanned_tables(scanned)
        if found is None:
            return AttackOutput(
                np.zeros((0, *x.shape[1:]), np.float32),
                diagnostics=diagnostics,
                stages=stages,
                sentence=_nothing(scanned, signed),
                broke=False,
            )
        diagnostics |= found.diagnostics | {"remedy": found.remedy}
        if found.unmasked is None:
            return AttackOutput(
                np.zeros((0, *x.shape[1:]), np.float32),
                diagnostics=diagnostics,
                stages=stages,
                sentence=f"{found.sentence} Remedy: {found.remedy}.",
                broke=True,
            )
        start = time.perf_counter()
        matcher = matcher_of(view, ctx)
        polarity = orient(found.unmasked, view, matcher)
        diagnostics["polarity"] = polarity.reason
        if polarity.flip:
            found.unmasked.mixtures *= -1
        recovered: Recovered = images_from(found.unmasked, view, ctx, matcher)
        stages.append(
            StageRecord(
                name="recovery",
                variant=recovered.variant,
                seconds=time.perf_counter() - start,
                diagnostics=recovered.diagnostics,
            )
        )
        diagnostics["recovery"] = recovered.diagnostics
        return AttackOutput(
            recovered.images,
            members=recovered.members,
            coefficients=recovered.coefficients,
            confidence=recovered.confidence,
            unmasked=found.unmasked.mixtures.astype(np.float32),
            diagnostics=diagnostics,
            stages=stages,
            sentence=f"{found.sentence} {recovered.sentence} Remedy: {found.remedy}.",
            broke=True,
        )


def scanned_tables(scanned: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What was scanned, for the report: per generator a table of conventions, their ranges and outcomes.

    Rows of the same convention are merged: their ranges are listed, and each outcome once.
    """
    tables: dict[str, dict[str, dict[str, list[str]]]] = {}
    for row in scanned:
        merged = tables.setdefault(row["generator"], {}).setdefault(row["convention"], {"range": [], "outcome": []})
        for name, seen in merged.items():
            if row[name] not in seen:
                seen.append(row[name])
    return {
        f"Scanned: {generator}": {
            "columns": ["convention", "ranges", "outcome"],
            "rows": [[c, "; ".join(m["range"]), "; ".join(m["outcome"])] for c, m in conventions.items()],
        }
        for generator, conventions in tables.items()
    }


def _nothing(scanned: list[dict[str, Any]], signed: bool) -> str:
    kinds = sorted({row["generator"] for row in scanned})
    what = "masks" if signed else "coefficients"
    tried = (
        f"{len(scanned)} combinations of generator, convention and range ({', '.join(kinds)})" if scanned else "nothing"
    )
    return (
        f"No break found: {tried} did not explain the {what}; this says nothing about other generators, conventions or "
        "offsets."
    )


attack("prng")(Prng)
