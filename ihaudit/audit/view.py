"""Build what an adversary sees from a release and the adversary's knowledge: the only place where a `View` is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ihaudit.contracts.replayer import is_seed
from ihaudit.contracts.view import View
from ihaudit.release import Release
from ihaudit.scheme import Knowledge

if TYPE_CHECKING:
    from ihaudit.audit.plan import Data


def make_view(release: Release, knows: frozenset[Knowledge], data: Data, card: Any) -> View:
    """A `View` with exactly what `knows` grants; `release` must be the public part (without provenance)."""
    if release.provenance is not None:
        raise ValueError("a view is made from the public part of a release")
    similar = data.known() if Knowledge.DISTRIBUTION in knows else None
    return View(
        encodings=release.encodings,
        labels=release.labels if Knowledge.LABELS in knows else None,
        image_range=release.image_range,
        extra=release.extra,
        knows=knows,
        similar=similar.images if similar else None,
        similar_labels=similar.labels if similar else None,
        public_set=data.public.images if Knowledge.PUBLIC_SET in knows else None,
        code=described(card) if Knowledge.CODE in knows else None,
    )


def described(card: Any) -> dict[str, Any]:
    """What is public of a scheme by Kerckhoffs: the code and its parameters, but not its randomness."""
    return {"name": card.name, "parameters": {k: v for k, v in card.parameters.items() if not is_seed(k)}}
