"""One thread: the networks here are small, and threads that wait for each other cost more than they save."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    """For every module."""
