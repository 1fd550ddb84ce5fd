"""The mask recovery network on moduli: shapes, ranges, and how many signs are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.errors import NotApplicable
from ihaudit.nn.shipped import load_unmix, load_unmix_deployed
from tests.attacks.releases import instahide


def test_unmasker_takes_grey_and_odd_sizes_and_refuses_others() -> None:
    for shape in ((1, 20, 20), (3, 17, 23)):
        unmask = Unmasker(shape, (-1.0, 1.0), "cpu")
        signs = unmask(torch.rand(5, int(np.prod(shape))))
        assert signs.shape == (5, np.prod(shape)) and signs.abs().max() <= 1
    for shape, image_range in (
        ((2, 32, 32), (-1, 1)),
        ((3, 8, 8), (-1, 1)),
        ((3, 32, 32), (0, 1)),
        ((3, 32, 32), (-0.1, 1)),
    ):
        with pytest.raises(NotApplicable):
            Unmasker(shape, image_range, "cpu")


def test_unmasker_beats_chance_and_knowledge_helps() -> None:
    sample = instahide(n=8, epochs=4, k=4, size=32, mask=False)
    x = torch.from_numpy(sample.encodings.transpose(0, 3, 1, 2).reshape(len(sample.encodings), -1))
    unmask = Unmasker((3, 32, 32), (-1.0, 1.0), "cpu")

    def right(signs: torch.Tensor) -> float:
        agree = ((signs.float() * x > 0) * x.abs()).sum(1) / x.abs().sum(1)
        return float(torch.maximum(agree, 1 - agree).mean())

    blind, known = right(unmask(x.abs())), right(unmask(x.abs(), lambda rows: 0.7 * x[rows]))
    assert 0.8 < blind < known


def test_normalised_images_have_a_network_of_their_own() -> None:
    for image_range, load in (((-1.0, 1.0), load_unmix), ((-2.43, 2.75), load_unmix_deployed)):
        net = Unmasker((3, 32, 32), image_range, "cpu").net
        torch.testing.assert_close(net.head.weight, load().head.weight)
