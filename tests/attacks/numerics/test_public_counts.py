"""Public images are counted once each, and where they are more of an encoding than what nothing explains."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics import public_counts
from ihaudit.attacks.numerics.candidates import Candidates
from ihaudit.attacks.numerics.public_counts import PublicCounts, count_public
from ihaudit.attacks.numerics.public_fit import PublicMembers
from ihaudit.attacks.numerics.transforms import Basis
from tests.attacks.releases import photographs


def counted(public: np.ndarray, index: list[list[int]], weight: list[list[float]], rms: list[float]) -> PublicCounts:
    found = PublicMembers(torch.tensor(index), torch.tensor(weight))
    return count_public(found, Candidates(public, Basis((3, 16, 16))), torch.tensor(rms).square(), public)


def test_copies_of_a_picture_are_one() -> None:
    public = photographs(8)[0]
    twice = np.concatenate([public, public])
    index, weight = [[0, 8, 1], [8, -1, -1], [3, -1, -1]], [[0.2, 0.1, 0.3], [0.4, 0, 0], [0.3, 0, 0]]
    found = counted(twice, index, weight, [0.001] * 3)
    assert found.per_encoding.tolist() == [2, 1, 1] and found.distinct == 3
    # what one copy alone holds would not count beside such a residual, and both together do
    spread = float((public[0] * 2 - public.mean(0) * 2).std())
    assert counted(twice, index[:1], weight[:1], [0.25 * spread]).per_encoding.tolist() >= [1]


def test_of_many_images_copies_to_the_last_bit_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_counts, "COMPARED", 2)
    public = photographs(4)[0]
    twice = np.concatenate([public, public])
    assert counted(twice, [[0, 4, 1]], [[0.2, 0.1, 0.3]], [0.001]).per_encoding.tolist() == [2]


def test_what_is_fainter_than_the_residual_does_not_count() -> None:
    public = photographs(8)[0]
    found = counted(public, [[0, 1], [0, 1], [-1, -1]], [[0.3, 0.02], [0.3, 0.02], [0, 0]], [0.001, 0.5, 0.001])
    assert found.per_encoding.tolist() == [2, 0, 0] and found.distinct == 2
    assert counted(public, [[0, -1]], [[0.1, 0]], [0.5]).distinct == 0
