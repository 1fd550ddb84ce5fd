"""What a profile leaves to each attack and game of its seconds of encoding."""

from __future__ import annotations

import math

import pytest

from ihaudit.audit.profiles import GAMES, PROFILES, get_profile
from ihaudit.errors import UsageError


@pytest.mark.parametrize("most", [6, GAMES])
def test_shares_never_sum_to_more_than_there_is(most: int) -> None:
    quick, spent = PROFILES["quick"], 0.0
    shares = []
    for left in range(12, 0, -1):
        shares.append(quick.share(spent, left, most))
        spent += shares[-1]
    assert spent == pytest.approx(quick.encoder_s) and min(shares) > 0
    assert quick.share(quick.encoder_s + 10, 3) == 0.0


def test_full_has_no_limit_and_an_unknown_profile_is_refused() -> None:
    assert PROFILES["full"].share(1e6, 3) == math.inf
    with pytest.raises(UsageError, match="quick"):
        get_profile("quik")
