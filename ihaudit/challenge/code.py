"""The scheme behind a release that came without its truth, where the attacker has its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ihaudit.challenge.options import ChallengeOptions
from ihaudit.challenge.release import ReadRelease
from ihaudit.errors import UsageError
from ihaudit.images import ImageSet
from ihaudit.sandbox import Declaration, Limits, Replays, SchemeProcess
from ihaudit.sandbox.loader import locate, parse_sets


@dataclass(frozen=True, eq=False)
class Code:
    """The code, described; `scheme` encodes chosen images, `replays` runs it under chosen seeds."""

    card: Declaration
    scheme: SchemeProcess
    replays: Replays


@contextmanager
def opened(
    options: ChallengeOptions, read: ReadRelease, public: ImageSet | None, folder: Path
) -> Iterator[Code | None]:
    """The code that ``--scheme`` names, in confined processes of its own, or None.

    Raises:
        UsageError, SchemeError: there is no such scheme, or it cannot be loaded as it is set.
    """
    if options.scheme is None:
        for name, value in (("--set", options.sets), ("--n-public", options.n_public)):
            if value:
                raise UsageError(f"{name} says something of the scheme; name it too, with --scheme")
        yield None
        return
    source, sets = locate(options.scheme), parse_sets(options.sets)
    images = None if public is None else public.images
    count = options.n_public if options.n_public is not None else 0 if images is None else len(images)
    limits, hidden = Limits(time_s=options.scheme_timeout_s), [folder]
    with (
        SchemeProcess(source, sets, public=images, limits=limits, hidden=hidden) as scheme,
        Replays(source, sets, scheme.card, n_public=count, limits=limits, hidden=hidden, global_seeds=True) as replays,
    ):
        yield Code(scheme.card, scheme, replays)
