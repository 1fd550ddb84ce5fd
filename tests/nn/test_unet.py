"""Parts of the U-Net."""

import pytest
import torch
from torch import nn

from ihaudit.nn.unet import Normalisation


@pytest.mark.parametrize("width", [48, 128])
def test_normalisation_is_that_of_torch(width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(4, width, 8, 8, generator=generator)
    mine, theirs = Normalisation(8, width), nn.GroupNorm(8, width)
    theirs.load_state_dict(mine.state_dict())
    for layout in (torch.channels_last, torch.contiguous_format):
        for kind, most in ((torch.float32, 1e-6), (torch.bfloat16, 2e-2)):
            shown = x.to(kind).contiguous(memory_format=layout)
            found = mine(shown)
            assert found.dtype == kind and found.is_contiguous(memory_format=layout)
            assert (found - theirs(shown.float())).abs().max() < most


def test_normalisation_learns_in_mixed_precision() -> None:
    block = nn.Sequential(nn.Conv2d(3, 16, 3), Normalisation(8, 16))
    block.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16):
        out = block(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    out.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
