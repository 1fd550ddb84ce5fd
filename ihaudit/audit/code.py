"""A scheme's code, in confined processes of its own: to encode with, and to run again under chosen seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ihaudit.audit.setup import Setup
from ihaudit.images import ImageSet
from ihaudit.sandbox import Declaration, Limits, Replays
from ihaudit.sandbox.elsewhere import Elsewhere
from ihaudit.sandbox.loader import SchemeSource, parse_sets
from ihaudit.sandbox.traced import Traced


@dataclass(frozen=True, eq=False)
class Code:
    """The code, described; `scheme` encodes chosen images, `replays` runs it under chosen seeds.

    `start` makes a fresh process that notes what is asked about where and when it runs, with other answers to it;
    `text` is the code itself.
    """

    card: Declaration
    scheme: Traced
    replays: Replays
    start: Callable[[dict[str, Any]], Elsewhere]
    text: str


@contextmanager
def opened(
    source: SchemeSource,
    setup: Setup,
    public: ImageSet | None,
    *,
    n_public: int | None = None,
    global_seeds: bool = False,
) -> Iterator[Code]:
    """The scheme, loaded with the parameters that the run was given.

    Args:
        source: the file.
        setup: of the run.
        public: the public images that it mixes in, or None.
        n_public: how many there are, where they are not known.
        global_seeds: global generators may have been seeded before the release was made.

    Raises:
        UsageError, SchemeError: it cannot be loaded as it is set.
    """
    options, hidden = setup.options, setup.hidden()
    limits = Limits(time_s=options.scheme_timeout_s, memory_mb=options.scheme_memory_mb)
    sets = parse_sets(options.sets)
    if n_public is None:
        n_public = 0 if public is None else len(public)
    with (
        Traced(source, sets, public=None if public is None else public.images, limits=limits, hidden=hidden) as scheme,
        Replays(
            source, sets, scheme.card, n_public=n_public, limits=limits, hidden=hidden, global_seeds=global_seeds
        ) as replays,
    ):

        def start(answers: dict[str, Any]) -> Elsewhere:
            images = None if public is None else public.images
            return Elsewhere(source, sets, public=images, limits=limits, hidden=hidden, answers=answers)

        yield Code(scheme.card, scheme, replays, start, source.text)
