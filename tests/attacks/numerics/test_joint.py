"""The joint solution against the direct one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from ihaudit.attacks.numerics.joint import inverted, outer, solve


@pytest.mark.parametrize("g", [0, 9])
def test_joint_solution_is_the_direct_one(g: int) -> None:
    rng = np.random.default_rng(2)
    e, n, p = 50, 6, 5
    c = rng.uniform(size=(e, n)) * (rng.random((e, n)) < 0.5)
    f = rng.uniform(size=(e, g)) * (rng.random((e, g)) < 0.2)
    y = rng.standard_normal((e, p)).astype(np.float32)
    inside = rng.uniform(0.2, 2, (e, p)).astype(np.float32)
    between = rng.uniform(0.2, 5, (g, p)).astype(np.float32)
    prior = rng.uniform(0, 1, (n, p)).astype(np.float32)
    start = (rng.standard_normal((n, p)).astype(np.float32), np.zeros((g, p), np.float32))
    for begin in (None, start):
        got = solve(csr_matrix(c), csr_matrix(f), y, inside, between, prior, start=begin, steps=200, tolerance=1e-6)
        for k in range(p):
            inverse = np.linalg.inv((f * between[:, k]) @ f.T + np.diag(inside[:, k]))
            x = np.linalg.solve(c.T @ inverse @ c + np.diag(prior[:, k]), c.T @ inverse @ y[:, k])
            np.testing.assert_allclose(got.x[:, k], x, atol=1e-3)
            np.testing.assert_allclose(got.v[:, k], between[:, k] * (f.T @ inverse @ (y[:, k] - c @ x)), atol=1e-3)
    weight = rng.uniform(size=(e, 3)).astype(np.float32)
    normal = (outer(csr_matrix(c)) @ weight).reshape(n, n, 3)
    np.testing.assert_allclose(normal[..., 1], (c * weight[:, 1:2]).T @ c, rtol=1e-4, atol=1e-5)


def test_inverses_also_where_single_precision_does_not_carry() -> None:
    plain = torch.randn(3, 5, 9, generator=torch.Generator().manual_seed(0))
    normal = plain @ plain.mT
    torch.testing.assert_close(inverted(normal) @ normal, torch.eye(5).expand(3, 5, 5), atol=1e-3, rtol=0)
    ill = torch.eye(2).repeat(2, 1, 1) + 1
    # neither has a factor in single precision
    for near in ([[1.0, 2.0], [2.0, 1.0]], [[1.0, 1.0], [1.0, 1.0 - 1e-7]]):
        ill[1] = torch.tensor(near)
        found = inverted(ill)
        torch.testing.assert_close(found[0], torch.linalg.inv(ill[0]))
        assert found.isfinite().all()
