"""`ihaudit check`: does a scheme file load and keep its contract?  In seconds, before any audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ihaudit.cli import _options as o
from ihaudit.cli._common import say

if TYPE_CHECKING:
    from ihaudit.sandbox import Declaration
    from ihaudit.sandbox.trial import Trial


def command(
    scheme: Annotated[
        list[str],
        typer.Argument(
            help="Scheme files, FILE.py:ClassName where one holds several, or names of reference schemes.",
            show_default=False,
        ),
    ],
    sets: o.Sets = None,
    private: o.Private = "embedded",
    public: o.Public = None,
    size: o.Size = 32,
    seed: o.Seed = 0,
    scheme_timeout_s: o.SchemeTimeout = 300.0,
    scheme_memory_mb: o.SchemeMemory = 8192,
) -> None:
    """Check scheme files: syntax, declaration, and the contract of encode on 8 images; runs no attack and no game.

    A syntax error takes well under a second, the rest a few; `ihaudit run` does the same first. Prints what the scheme
    declares and releases, and what its author may have missed.

    Exit codes: 0 it can be audited; 2 it cannot, and the sentence says why.

    Examples:

      ihaudit check scheme.py

      ihaudit check scheme.py --set k=8 --private my_images/
    """
    given = locals()
    from ihaudit.sandbox.loader import locate, parse_sets

    sources, parameters = [locate(name) for name in scheme], parse_sets(sets or ())

    from ihaudit.audit.data import load_data
    from ihaudit.audit.options import AuditOptions
    from ihaudit.audit.profiles import get_profile
    from ihaudit.audit.setup import hidden
    from ihaudit.contracts.context import derive_seed
    from ihaudit.sandbox import Limits, SchemeProcess
    from ihaudit.sandbox.trial import examine

    given |= {"scheme": scheme[0]}
    if private == "embedded":
        given["similar"] = "embedded:private"  # no attack asks for others, and cutting them out takes a second
    data = load_data(o.chosen(AuditOptions, given), get_profile("quick"))
    limits = Limits(time_s=scheme_timeout_s, memory_mb=scheme_memory_mb)
    for name, source in zip(scheme, sources, strict=True):
        with SchemeProcess(source, parameters, public=data.public.images, limits=limits, hidden=hidden()) as process:
            trial = examine(process, data.private.images, data.private.labels, seed=derive_seed(seed, "trial"))
            card, log = process.card, process.log
        for line in described(card, trial):
            say(line)
        if log.strip():
            say("printed by the scheme:\n" + "\n".join(f"  {line}" for line in log.strip().splitlines()[:20]))
        for remark in trial.remarks:
            say(f"note: {remark}")
        say(f"ok: audit it with: ihaudit run {name}")


def described(card: Declaration, trial: Trial) -> list[str]:
    """What a scheme declares, and what it released of a few images, a line each."""
    release, low_high = trial.release, f"[{trial.release.encodings.min():.3g}, {trial.release.encodings.max():.3g}]"
    parameters = ", ".join(f"{k}={v}" for k, v in card.parameters.items()) or "none"
    labels = "none" if release.labels is None else " x ".join(map(str, release.labels.shape))
    provenance = "not stated" if release.provenance is None else "stated"
    return [
        f"scheme      {card.name} (line {card.line})",
        f"parameters  {parameters}",
        *(f"claim       {c.sentence()}" for c in card.claims),
        *(["claim       none; the default gate and adversary are audited"] if not card.claims else []),
        f"key         {card.key} (`key` of the class)",
        f"images      {' x '.join(map(str, trial.images))} in [0, 1], mixed on "
        f"[{release.image_range[0]:g}, {release.image_range[1]:g}] (`image_range` of the release)",
        f"encodings   {' x '.join(map(str, release.encodings.shape))} {release.encodings.dtype}, values in {low_high}",
        f"labels      {labels}",
        *(f"extra       {k}: {' x '.join(map(str, v.shape))}" for k, v in release.extra.items()),
        f"provenance  {provenance}",
    ]
