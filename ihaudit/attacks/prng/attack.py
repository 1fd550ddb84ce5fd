"""The attack `prng`: is the randomness of the encoding predictable?  Recovers the generator and undoes the masks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.masks import under_mask
from ihaudit.attacks.prng.pairs import agreement
from ihaudit.attacks.prng.reconstruct import Knowns, reconstruct
from ihaudit.attacks.prng.scans.draws import explain_by_draws
from ihaudit.attacks.prng.scans.ranges import EVERY
from ihaudit.attacks.prng.scans.replay import explain_by_replay
from ihaudit.attacks.prng.scans.seeds import explain_by_seed, human_ranges
from ihaudit.attacks.prng.search import Explanation, Search
from ihaudit.attacks.prng.seedless.solve import explain_by_state
from ihaudit.contracts.attack import AttackOutput, attack
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable

_SMOOTH = 0.8  # share of neighbours of equal sign above which signs are not masked


@attack("prng")
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

    title: ClassVar[str] = "Generator of the masks"
    reference: ClassVar[str] = "Carlini et al. 2021, appendix B; linear algebra over GF(2) on neighbouring pixels"
    profiles: ClassVar[tuple[str, ...]] = ("quick", "standard", "full")
    control: ClassVar[bool] = False  # the controls have no masks to predict

    def run(self, view: View, ctx: Context) -> AttackOutput:
        """See `ihaudit.contracts.attack.Attack`.  ``broke`` is True only when predicted masks explain the release."""
        search, agreed = started(view, ctx)
        began = time.perf_counter()
        found = self.explanation(search)
        diagnostics: dict[str, Any] = {
            "scanned": search.scanned,
            "sign_agreement_of_neighbours": agreed,
            "signed": search.masked,
            "search_s": round(time.perf_counter() - began, 3),
            "tables": scanned_tables(search.scanned),
        }
        output = AttackOutput(
            np.zeros((0, *search.encodings.shape[1:]), np.float32),
            diagnostics=diagnostics,
            stages=search.stages,
            sentence=not_explained(search),
            broke=False,
        )
        if found is None:
            return output
        diagnostics |= found.diagnostics | {"remedy": found.remedy}
        if found.unmasked is None:
            return replace(output, sentence=f"{found.sentence} Remedy: {found.remedy}.", broke=True)
        with search.stage("recovery", "") as record:
            images = reconstruct(found.unmasked, Knowns.of(view, ctx), ctx)
            record.variant, record.diagnostics = images.variant, images.diagnostics
        return replace(
            output,
            images=images.images,
            members=images.members,
            coefficients=images.coefficients,
            confidence=images.confidence,
            unmasked=found.unmasked.mixtures,
            diagnostics=diagnostics | {"polarity": images.polarity, "recovery": images.diagnostics},
            sentence=f"{found.sentence} {images.sentence} Remedy: {found.remedy}.",
            broke=True,
        )

    def explanation(self, search: Search) -> Explanation | None:
        """Everything that the options and the profile allow, strongest test first."""
        found: Explanation | None = None
        if search.masked and self.seedless == "yes":
            found = explain_by_state(search)
        if self.human == "yes":
            if search.masked:
                found = found or explain_by_replay(search) or explain_by_draws(search)
            found = found or explain_by_seed(search, human_ranges(search.ctx.profile))
        if self.scans == "always" or (self.scans == "auto" and search.ctx.profile == "full"):
            found = found or explain_by_seed(search, [EVERY])
        return found


def started(view: View, ctx: Context) -> tuple[Search, float]:
    """A search for the generator of a release, and how often the signs of neighbouring pixels agree.

    Raises:
        NotApplicable: nothing in the release was drawn by a generator that could be recovered.
    """
    x = np.asarray(view.encodings)
    if x.ndim != 4 or min(x.shape[1:3]) < 8:
        raise NotApplicable(
            f"encodings of shape {tuple(x.shape[1:])} are not images, whose neighbouring pixels it compares"
        )
    if view.image_shape is not None and x.shape[1:] != view.image_shape:
        raise NotApplicable(
            f"encodings of shape {tuple(x.shape[1:])} are not images of shape {view.image_shape} under a sign mask"
        )
    if not len(x):
        raise NotApplicable("there are no encodings")
    x = x.astype(np.float32, copy=False)
    agreed = float(np.median(agreement(x[:64]))) if (x < 0).any() and (x > 0).any() else 1.0
    masked = agreed <= _SMOOTH
    if masked and not under_mask(x):
        raise NotApplicable(
            "neither signs nor magnitudes of neighbouring pixels go together, so there is no sign mask to predict"
        )
    if not masked and (view.labels is None or read_slots(view.labels, len(x)).whole):
        raise NotApplicable(
            "the signs of neighbouring pixels agree, or there are none, so there is no random sign mask to predict, "
            "and no labels that carry coefficients"
        )
    return Search(x, masked, view, ctx), agreed


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


def not_explained(search: Search) -> str:
    """What is said where no generator was found: how many were tried, by family."""
    kinds = {row["generator"] for row in search.scanned}
    what = "masks" if search.masked else "coefficients"
    families = sorted({kind.split(" (")[0] for kind in kinds}, key=str.casefold)
    tried = (
        f"{len(search.scanned)} combinations of generator, convention and range ({', '.join(families)}; the tables of "
        "what was scanned list them)"
    )
    return (
        f"No break found: {tried if kinds else 'nothing'} did not explain the {what}; this says nothing about other "
        "generators, conventions or offsets."
    )
