from __future__ import annotations

import pytest

from tests.attacks.numerics.mixtures import Recurring, recurring_release


@pytest.fixture(scope="session")
def recurring() -> Recurring:
    """A release whose encodings share public images."""
    return recurring_release(pool=500)
