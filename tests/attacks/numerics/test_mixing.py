"""Products with the mixing matrix against dense ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihaudit.attacks.numerics.mixing import Mixing
from tests.attacks.numerics.mixtures import random_mixing


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_sparse_and_dense_mixing_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    e, n = 30, 200  # above the number of columns up to which products are dense
    members = torch.from_numpy(rng.integers(-1, n, (e, 2)))
    mixing = Mixing(members, torch.rand(e, 2), torch.rand(e), n)
    values, weights = torch.randn(e, 7), torch.rand(e)
    torch.testing.assert_close(
        mixing.adjoint(values, slice(0, e), weights), mixing.dense.T @ (values * weights[:, None]), rtol=1e-4, atol=1e-5
    )
    gram = mixing.dense.T @ (mixing.dense * weights[:, None])
    torch.testing.assert_close(mixing.normal(weights, ridge=0.0), gram, rtol=1e-4, atol=1e-5)
    rows = torch.tensor([3, 1])
    torch.testing.assert_close(mixing.some(rows).dense, mixing.dense[rows])


@pytest.mark.parametrize("unknowns", [5, 300])
def test_mixing_products_equal_dense_ones(unknowns: int) -> None:
    m = random_mixing(unknowns=unknowns)
    images = torch.randn(unknowns + 1, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(m.forward(images, slice(3, 20)), (m.dense @ images)[3:20])
    values = torch.randn(40, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(m.adjoint(values, slice(0, 40)), m.dense.T @ values)
