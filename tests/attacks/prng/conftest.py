"""What the tests of `prng` share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.attacks.prng.helpers import mixtures


@pytest.fixture(scope="session")
def plain() -> NDArray[np.float32]:
    """float32 (64, 32, 32, 3): mixtures before any mask; not to be written to."""
    made = mixtures(64, 3)
    made.flags.writeable = False
    return made
