"""Images of mixtures that hold nothing else, and mixtures that do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.private_alone import directions, images_alone


def mixtures(n: int, held: int, encodings: int, noise: float, seed: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Rows of `held` of n images of 300 values, a fifth of them turned; the images, and which rows are turned."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((n, 300)).astype(np.float32)
    weights = np.zeros((encodings, n), np.float32)
    for row in weights:
        row[rng.choice(n, held, replace=False)] = rng.dirichlet(np.full(held, 2.0))
    turned = rng.random(encodings) < 0.2
    x = weights @ images + noise * rng.standard_normal((encodings, 300)).astype(np.float32)
    return torch.from_numpy(np.where(turned[:, None], -x, x).astype(np.float32)), images, turned


@pytest.mark.parametrize(("n", "held"), [(12, 2), (20, 4)])
def test_images_members_and_strengths_are_found(n: int, held: int) -> None:
    rows, images, turned = mixtures(n, held, 500, 0.03, seed=n)
    count = directions(rows)
    assert count is not None and n - 2 <= count <= n + 2
    found = images_alone(rows, n, 0)
    assert found is not None and len(found.images) == n and found.left < 0.03
    likeness = np.corrcoef(found.images.numpy(), images)[:n, n:]
    sign = np.sign(likeness[np.arange(n), np.abs(likeness).argmax(1)])
    assert (np.abs(likeness).max(0) > 0.99).all() and len(set(sign)) == 1  # all the right way up, or none
    mine = found.turned.numpy()
    assert ((mine != turned) if sign[0] < 0 else (mine == turned)).all()
    np.testing.assert_allclose(found.images.std(1), images.std(1)[np.abs(likeness).argmax(1)], rtol=0.15)
    torch.testing.assert_close(found.mixtures(), rows, atol=0.3, rtol=0.2)


def test_a_stated_number_of_images_is_kept_to() -> None:
    rows, _, _ = mixtures(15, 3, 500, 0.03, seed=1)
    found = images_alone(rows, 15, 0, n_private=14)
    assert found is not None and len(found.images) == 14


def test_rows_of_which_each_holds_something_of_its_own_span_too_many_directions() -> None:
    rows, _, _ = mixtures(20, 4, 500, 0.0, seed=2)
    own = torch.randn(rows.shape, generator=torch.Generator().manual_seed(3))
    assert directions(rows + 0.5 * rows.std() * own) is None
    assert directions(own) is None
    assert directions(rows[:20]) is None  # too few to tell
    assert directions(torch.zeros(100, 300)) is None


def test_averages_of_all_images_are_not_sparse() -> None:
    rows, _, _ = mixtures(10, 10, 400, 0.01, seed=4)
    found = images_alone(rows, 10, 0)
    assert found is None or found.left > 0.05
