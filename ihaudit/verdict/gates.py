"""The bounds of the gate, and each gated statistic against its bound (which decides: `ihaudit.verdict.decide`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from ihaudit import registry
from ihaudit.errors import ResultsError, UsageError
from ihaudit.figures import number, scaled
from ihaudit.results import Finding, GateCheck, Status
from ihaudit.scheme import finite
from ihaudit.stats import Estimate, holm
from ihaudit.verdict.exceedance import ALPHA, Exceedance, exceedances

#: What is said of pictures that count in the best of four polarities alone.
TURNED = "recovered as negatives or mirror images, each scored in its best polarity"
#: So says the sentence of an attack whose SSIM lies above the bound, and does not count.
GUESSED = "guessing reaches as much on these images, so SSIM alone is not counted as a recovery"
#: Checks of an audit beyond its attacks that miss the gate where they come out broken, and what each then says.
CONDITIONAL = {
    "checks-behaviour": "calls of another kind, off whose encodings images can be read",
    "checks-release": "a published release that the code does not make",
    "checks-conventions": "conventions that follow the images, and so can carry them",
    "checks-constant": "an array that follows the images alone, whatever the seed",
}
#: Checks without a figure: what they look for happened, or it did not.
EVENTS = ("secret", "copies", "strict", *CONDITIONAL)
#: The metric that a check of the gate, or a claim of the same name, bounds.
GATED_METRIC = {"ssim": "ssim", "reid": "reid_above_chance", "advantage": "advantage"}


def gate_unit(quantity: str) -> str:
    """The unit of what a gate's check or a claim bounds."""
    known = registry.load("metric").get(GATED_METRIC.get(quantity, quantity))
    return str(getattr(known, "unit", ""))


@dataclass(frozen=True)
class GateOptions:
    """Bounds of the gate.

    Attributes:
        max_ssim: in [-1, 1], on the `quantile` of pinned SSIM over private images, of the strongest attack.
        quantile: in (0, 1]; 1 means the best image.
        max_reid: in [0, 1], on re-identification accuracy above chance.
        max_advantage: in [0, 1], on every game's pre-declared advantage; None: games do not gate.
        strict: whatever came out broken misses the gate: games, checks and observations too.

    Raises:
        UsageError: a value out of its range.
    """

    max_ssim: float = 0.5
    quantile: float = 0.9
    max_reid: float = 0.05
    max_advantage: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        ranges = {"max_ssim": (-1, 1), "quantile": (0, 1), "max_reid": (0, 1), "max_advantage": (0, 1)}
        for name, (low, high) in ranges.items():
            x = getattr(self, name)
            if x is None and name == "max_advantage":
                continue
            if finite(x) is None or not low <= x <= high or (name == "quantile" and x == 0):
                option = "--" + name.replace("_", "-")
                left = "(" if name == "quantile" else "["
                raise UsageError(f"{option} must be a number in {left}{low}, {high}], not {x!r}")
        if not isinstance(self.strict, bool):
            raise UsageError(f"--strict is either given or not, and not {self.strict!r}")

    @classmethod
    def stored(cls, bounds: object) -> GateOptions:
        """The bounds that results.json keeps under ``options.gates``; the defaults where it keeps none.

        Raises:
            ResultsError: what is no bound, or none of these.
        """
        if not isinstance(bounds, Mapping):
            raise ResultsError(f"options.gates is {bounds!r}, expected the bounds of the gate")
        names = [f.name for f in fields(cls)]
        for name in bounds:
            if name not in names:
                raise ResultsError(f"options.gates holds {name!r}, which is no bound; there are {', '.join(names)}")
        try:
            return cls(**bounds)
        except UsageError as e:
            raise ResultsError(f"options.gates: {e}") from None


def attack_status(
    finding: Finding, gates: GateOptions | None = None, exceeds: Exceedance | None = None, attacks: int = 1
) -> tuple[Status, str]:
    """When a single attack is ``broken``: exactly when it alone would make the gate miss.

    Args:
        finding: an attack's finding with the metrics and arrays of `ihaudit.scoring.reconstructions`.
        gates: the bounds; the defaults where None.
        exceeds: of the finding; read from it alone (without baselines) where None.
        attacks: how many attacks were tried, for the correction of the tests of chance.

    Returns:
        The status (``broken``, ``no break found``, or ``inconclusive`` where nothing was measured) and a sentence.
    """
    gates = gates or GateOptions()
    exceeds = exceeds or exceedances([finding])[finding.id]
    if finding.details.get("broke") is True:
        return "broken", str(
            finding.details.get("saw") or "A secret of the scheme was recovered from the release alone."
        )
    value, by_ssim, turned = exceeds.strongest(gates.quantile, gates.max_ssim, attacks)
    reid, above = finding.metrics.get("reid"), finding.metrics.get("reid_above_chance")
    if (
        (value is None or value.value is None)
        and finding.details.get("broke") is False
        and "ssim" not in finding.metrics
    ):
        return "no break found", str(finding.details.get("saw") or "The secret that it looks for was not recovered.")
    if "ssim" not in finding.metrics and reid is not None and reid.value is not None:
        return _by_matches(finding, gates)
    if value is None or value.value is None:
        return "inconclusive", "Reconstructions could not be scored, so nothing follows."
    by_reid = low_end(above) > gates.max_reid
    said = answered(finding)
    if said and not said[0] and not (by_ssim or by_reid):
        return "no break found", (
            f"It answered none of {said[1]:,} private images, and those without an answer count as not recovered (SSIM "
            f"0; bound {scaled(gates.max_ssim)})."
        )
    shares = exceeds.polarity if turned and exceeds.polarity is not None else exceeds
    share, bound = shares.share_above(gates.max_ssim), scaled(gates.max_ssim)
    parts = []
    if share is not None:
        parts.append(f"{scaled(share, '%')} of {number(value.n)} private images scored SSIM above {bound}")
    parts.append(f"the {quantile_name(gates.quantile)} of SSIM is {scaled(value.value)} (bound {bound})")
    if turned:
        plain = exceeds.quantile(gates.quantile)
        parts.append(
            f"{TURNED}; exactly as answered that figure is {scaled(plain.value if plain is not None else None)}"
        )
    if said and said[0] < said[1]:
        parts.append(f"it answered {said[0]} of {said[1]} images, and those without an answer count as not recovered")
    chance = finding.metrics.get("ssim_chance")
    mean = finding.metrics.get("ssim")
    if chance and chance.value is not None and mean and mean.value is not None:
        parts.append(f"mean SSIM {scaled(mean.value)}, and {scaled(chance.value)} on images that were not encoded")
    if value.value > gates.max_ssim and not by_ssim:
        parts.append(GUESSED)
    if reid and reid.value is not None:
        guess = finding.metrics.get("reid_chance")
        by_chance = f" (by chance {scaled(guess.value, '%')})" if guess and guess.value is not None else ""
        parts.append(f"{scaled(reid.value, '%')} were re-identified{by_chance}")
    text = "; ".join(parts)
    return ("broken" if by_ssim or by_reid else "no break found"), text[0].upper() + text[1:] + "."


def answered(finding: Finding) -> tuple[int, int] | None:
    """For how many of how many private images an attack has an answer; None where that was not measured."""
    found, of = finding.details.get("matched"), finding.details.get("private")
    return (found, of) if isinstance(found, int) and isinstance(of, int) else None


def _by_matches(finding: Finding, gates: GateOptions) -> tuple[Status, str]:
    """The word on an attack that says which encoding is whose, and answers no picture."""
    reid, guess = finding.metrics["reid"], finding.metrics.get("reid_chance")
    chance = (
        f"by chance {scaled(guess.value, '%')}" if guess is not None and guess.value is not None else "chance unknown"
    )
    share = f"{scaled(reid.value, '%')} of {reid.n} private images were matched to an encoding of theirs ({chance})"
    candidates = finding.details.get("candidates")
    text = f"Among {candidates} candidates, {share}." if candidates else f"{share[0].upper()}{share[1:]}."
    above = low_end(finding.metrics.get("reid_above_chance"))
    return ("broken" if above > gates.max_reid else "no break found"), text


def quantile_name(q: float) -> str:
    return "maximum" if q >= 1 else "median" if q == 0.5 else f"{q * 100:g} % quantile"


def low_end(e: Estimate | None) -> float:
    return -math.inf if e is None or e.low is None else e.low


def value_of(e: Estimate | None) -> float:
    return -math.inf if e is None or e.value is None else e.value


def secret_check(attacks: Sequence[Finding]) -> GateCheck | None:
    """Missed where an attack recovered a secret of the scheme, which shows without images; None where none did."""
    broke = [f.id for f in attacks if f.details.get("broke") is True]
    if not broke:
        return None
    return GateCheck(
        name="secret",
        statistic="a secret of the scheme was recovered (masks, its generator's state, or what it hid in a release)",
        measured=Estimate(1.0, n=1),
        bound=0.0,
        met=False,
        by=broke[0],
    )


def copies_check(findings: Sequence[Finding]) -> GateCheck | None:
    """Missed where a released field repeats private images themselves, which no attack is needed for; else None."""
    broke = [f for f in findings if f.kind == "check" and f.id == "plain-copies" and f.status == "broken"]
    if not broke:
        return None
    return GateCheck(
        name="copies",
        statistic="released fields that repeat private images themselves",
        measured=Estimate(1.0, n=1),
        bound=0.0,
        met=False,
        by=broke[0].id,
    )


def conditional_checks(findings: Sequence[Finding]) -> list[GateCheck]:
    """Missed where a scheme hides images in some calls only, or carries them in what should be a convention."""
    return [
        GateCheck(name=f.id, statistic=CONDITIONAL[f.id], measured=Estimate(1.0, n=1), bound=0.0, met=False, by=f.id)
        for f in findings
        if f.kind == "check" and f.id in CONDITIONAL and f.status == "broken"
    ]


def ssim_check(attacks: Sequence[Finding], exceeds: Mapping[str, Exceedance], gates: GateOptions) -> GateCheck:
    check = GateCheck(
        name="ssim",
        statistic=f"{quantile_name(gates.quantile)} of SSIM over private images, strongest attack",
        bound=gates.max_ssim,
    )
    rows = []
    turned: set[str] = set()
    for f in attacks:
        e = exceeds[f.id]
        measured, counts, by_polarity = e.strongest(gates.quantile, gates.max_ssim, len(attacks))
        if measured is not None and measured.value is not None:
            said = answered(f)
            rows.append((counts, said is None or said[0] > 0, measured.value, f, measured))
            turned |= {f.id} if by_polarity else set()
    if not rows:
        return check
    # An attack that is above chance comes before one that scores higher by guessing, and any answer before none.
    missed, any_answer, value, by, check.measured = max(rows, key=lambda r: r[:3])
    check.met = not missed
    if not any_answer:
        check.statistic += ", though none of them answered with an image"
        return check
    check.by = by.id
    if by.id in turned:
        check.statistic += f" ({TURNED})"
    if (said := answered(by)) and said[0] < said[1]:
        check.statistic += f" (which answered {said[0]} of {said[1]})"
    above = by.metrics.get("above_baseline")
    if not missed and value > gates.max_ssim:
        check.statistic += ", no more than guessing reaches on these images"
    elif not missed and above is not None and above.value is not None and above.value <= 0:
        check.statistic += " (which does no better than a trivial guess)"
    return check


def reid_check(attacks: Sequence[Finding], gates: GateOptions) -> GateCheck:
    check = GateCheck(name="reid", statistic="re-identification above chance, strongest attack", bound=gates.max_reid)
    rows = [(f.metrics["reid_above_chance"], f.id) for f in attacks if "reid_above_chance" in f.metrics]
    rows = [r for r in rows if r[0].value is not None and r[0].low is not None]
    if not rows:
        return check
    check.measured, check.by = max(rows, key=lambda r: low_end(r[0]))
    check.met = not low_end(check.measured) > gates.max_reid
    check.statistic += _not_wholly_above(check)
    return check


def advantage_check(games: Sequence[Finding], bound: float) -> GateCheck:
    check = GateCheck(
        name="advantage", statistic="advantage of the pre-declared statistic, strongest game", bound=bound
    )
    rows = advantages(games, bound)
    if rows:
        missed, check.measured, check.by = rows[0]
        check.met = not missed
        check.statistic += _not_wholly_above(check)
    return check


def _not_wholly_above(check: GateCheck) -> str:
    """What is said where a bound is met by a value above it; few words, for page one."""
    above = check.met and value_of(check.measured) > check.bound
    return " (95 % interval reaches below)" if above else ""


def advantages(games: Sequence[Finding], bound: float) -> list[tuple[bool, Estimate, str]]:
    """(above the bound after Holm's correction, advantage, id) of every game, the strongest evidence first."""
    from scipy.special import ndtr

    rows: list[tuple[Estimate, str]] = []
    for f in games:
        name = f.primary if f.primary in f.metrics and "advantage" in str(f.primary) else "advantage"
        e = f.metrics.get(name)
        if e is not None and e.value is not None and e.low is not None:
            rows.append((e, f.id))
    # A 95 % interval's lower end lies 1.96 standard errors below the value; exact intervals are wider, so p errs
    # upward.
    p = [float(ndtr(-1.96 * (value_of(e) - bound) / max(1e-12, value_of(e) - low_end(e)))) for e, _ in rows]
    adjusted = holm(p)
    out = [(bool(low_end(e) > bound and q <= ALPHA), e, id_) for (e, id_), q in zip(rows, adjusted, strict=True)]
    return sorted(out, key=lambda r: (r[0], low_end(r[1])), reverse=True)
