"""The shipped colour networks as a start for other shapes: grey, and any size.

Photographs are photographs: what tells a sign from |m| in colour does so in grey.  A grey image is a colour image with
three equal channels, so weights that read channels are summed over them and those that write channels are averaged.
Sizes only matter to the head of the similarity network, which weights 8 x 8 blocks by their place: that map is
stretched to the new grid.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ihaudit.nn.similarity import PairConfig, PairNet
from ihaudit.nn.unmask import CHANNELS

State = dict[str, Tensor]

#: Channels that the shipped networks can be made to serve.
SERVED = (1, CHANNELS)


def unmask_start(shipped: State, channels: int) -> State | None:
    """State of a mask recovery network for `channels` from that of a colour one; None where it cannot serve them.

    For one channel the network answers what the colour one, given the grey image three times, answers on average.
    """
    if channels not in SERVED:
        return None
    state = dict(shipped)
    if channels == 1:
        # the stem reads 2 x 2 pixels of: |m|, log |m|, the known part (three channels each), and the RMS
        state["stem.weight"] = _summed(shipped["stem.weight"], (3, 3, 3, 1))
        weight, bias = shipped["head.weight"], shipped["head.bias"]
        state["head.weight"] = weight.view(CHANNELS, 4, *weight.shape[1:]).mean(0)
        state["head.bias"] = bias.view(CHANNELS, 4).mean(0)
    return state


def pair_start(shipped: PairNet, config: PairConfig) -> State | None:
    """Learned features and head of a similarity network for `config`, from the shipped one's; None where they differ.

    Its mask recovery network, centres and gains are not among them: they are trained and measured for the new shape.
    """
    channels, old = config.shape[0], shipped.config
    if channels not in SERVED or (config.learned, config.groups, config.hidden) != (
        old.learned,
        old.groups,
        old.hidden,
    ):
        return None
    if config.unmask.widths != old.unmask.widths:
        return None
    own = {k: v for k, v in shipped.state_dict().items() if k.startswith(("learn.", "head."))}
    bands = len(shipped.bands)
    views = list(range(shipped.views))
    if channels == 1:
        # the learned features read 2 x 2 pixels of the mixture and of |m|, then what the mask recovery network sees
        width = own["learn.0.weight"].shape[1] - 2 * 4 * CHANNELS
        own["learn.0.weight"] = torch.cat(
            [_summed(own["learn.0.weight"][:, : -width or None], (3, 3)), own["learn.0.weight"][:, -width:]], 1
        )
        grey = bands // 2  # the other half compares colours
        views = [v for v in views if v >= 2 * bands or v % bands < grey]
    own["head.first.weight"] = _stretched(own["head.first.weight"], views, grid(old), grid(config))
    return own


def grid(config: PairConfig) -> tuple[int, int]:
    """Rows and columns of 8 x 8 blocks."""
    return -(-config.shape[1] // 8), -(-config.shape[2] // 8)


def _summed(weight: Tensor, groups: tuple[int, ...]) -> Tensor:
    """(out, 4 * sum(groups), ...) -> (out, 4 * len(groups), ...): the channels of each group added up."""
    parts = weight.view(weight.shape[0], sum(groups), 4, *weight.shape[2:]).split(groups, 1)
    return torch.cat([p.sum(1, keepdim=True) for p in parts], 1).flatten(1, 2)


def _stretched(weight: Tensor, views: list[int], old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """(hidden, views * blocks) on another grid; the sum over blocks stays what it was, so evidence keeps its scale."""
    maps = weight.view(len(weight), -1, *old)[:, views]
    if new != old:
        maps = F.interpolate(maps, new, mode="bilinear", align_corners=False) * (old[0] * old[1] / (new[0] * new[1]))
    return maps.flatten(1)
