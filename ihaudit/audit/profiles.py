"""Cost presets: what an audit does by default, and how many private images it encodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from ihaudit.contracts.context import ProfileName
from ihaudit.errors import UsageError
from ihaudit.registry import suggest

#: Into so many parts what is left is cut for games: a scheme of 2 s a call then has the instance game played at all.
GAMES = 3


@dataclass(frozen=True)
class Profile:
    """One preset.

    Attributes:
        name: ``quick`` (pull request: under 3 minutes on 2 CPU cores), ``standard`` (under 20), ``full``.
        n_private: private images encoded unless --n-private says otherwise (fewer where the source holds fewer).
        n_control: private images of each control's release.
        n_known: known images among the release unless --known-pairs says otherwise (fewer where there are fewer).
        encoder_s: wall seconds that attacks and games together may spend in the scheme's encoder, so that a scheme of
            seconds a call does not take hours; what is left out for it is said.
    """

    name: ProfileName
    n_private: int
    n_control: int
    n_known: int
    encoder_s: float

    def share(self, spent: float, left: int, most: int = 6) -> float:
        """`Context.encoder_s` of the next attack or game, of `left`: at most one in `most` parts of what is left.

        A game that cannot be played in its part spends nothing, so that few parts are larger for games (`GAMES`).
        """
        return max(0.0, self.encoder_s - spent) / max(1, min(most, left))


PROFILES = {
    "quick": Profile("quick", n_private=100, n_control=20, n_known=100, encoder_s=75.0),
    "standard": Profile("standard", n_private=100, n_control=40, n_known=500, encoder_s=600.0),
    "full": Profile("full", n_private=100, n_control=60, n_known=1000, encoder_s=math.inf),
}


def get_profile(name: str) -> Profile:
    """The preset called `name`, or a `UsageError`."""
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}{suggest(name, PROFILES)}")
    return PROFILES[cast(ProfileName, name)]
