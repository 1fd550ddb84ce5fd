"""Restoration by the learned image prior, with a confidence for every image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ihaudit.attacks.numerics.em import Estimate
from ihaudit.attacks.numerics.standard_errors import standard_errors
from ihaudit.attacks.stages.state import State, to_pictures
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.restorer import Restorer
from ihaudit.nn.unmask import MULTIPLE
from ihaudit.nn.weights import load_confidence, load_restorer

Shape = tuple[int, int, int]
_BATCH = 64


@stage("restoration", "network")
def restoration_network(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The learned restorer on every image, and what SSIM it is expected to reach."""
    features, images = restored(state, load_restorer(device=ctx.device))
    confidence = load_confidence(device=ctx.device)(features.to(ctx.device)).cpu().numpy().astype(np.float32)
    pictures = to_pictures(images, state.shape, state.image_range)
    return replace(state, images=pictures, confidence=confidence), {
        "mean_confidence": float(confidence.mean()),
        "mean_error": float(features[:, 1].exp().mean()),
    }


@torch.no_grad()
def restored(state: State, net: Restorer) -> tuple[Tensor, Tensor]:
    """Features of confidence float32 (N, FEATURES) and restored images (N, P) in mixing units.

    Raises:
        NotApplicable: images that are neither grey nor in colour, or too small.
    """
    if state.estimate is None or state.signs is None:
        raise NotApplicable("restoration=network needs expected signs: choose recovery=unmask")
    c, h, w = state.shape
    if c not in (1, 3) or min(h, w) < 2 * MULTIPLE:
        raise NotApplicable(f"the restorer needs grey or colour images of at least 16 pixels, not {c}x{h}x{w}")
    rows = torch.from_numpy(state.decided()).to(state.values.device)
    mixing = state.mixing().some(rows)
    whole = len(rows) == len(state.values)
    values, signs = (state.values, state.signs) if whole else (state.values[rows], state.signs[rows])
    inside = Estimate(state.estimate.images, state.estimate.noise[rows])
    error, doubt = standard_errors(values, signs, mixing, inside)
    low, high = state.image_range
    middle, half = (low + high) / 2, max((high - low) / 2, 1e-9)
    error, doubt = error / half, doubt / half
    estimate = (state.estimate.images[:-1] - middle) / half
    images, quality = torch.empty_like(estimate), torch.empty(len(estimate), device=estimate.device)
    for i in range(0, len(estimate), _BATCH):
        part = slice(i, i + _BATCH)
        images[part], quality[part] = _apply(net, estimate[part], doubt[part], error[part], state.shape)
    certain = _mean_certainty(state)
    share = doubt.square().mean(1).sqrt() / error.clamp_min(1e-6)
    features = torch.stack([quality, error.clamp_min(1e-5).log(), certain.to(error.device), share], 1)
    return features, images * half + middle


def _apply(net: Restorer, estimate: Tensor, doubt: Tensor, error: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    c, h, w = shape
    pad = (0, -w % MULTIPLE, 0, -h % MULTIPLE)

    def wide(v: Tensor) -> Tensor:
        v = F.pad(v.view(-1, c, h, w), pad, mode="reflect")
        return v.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    image, quality = net(wide(estimate), wide(doubt), error)
    image = image[..., :h, :w]
    if c == 1:
        image = image.mean(1, keepdim=True)
    return image.reshape(len(estimate), -1), quality


def _mean_certainty(state: State) -> Tensor:
    """float32 (N,): mean posterior of the encodings that hold each image, weighted by lambda squared."""
    assert state.members is not None and state.coefficients is not None
    certainty: NDArray[np.float32] = (
        np.ones(len(state.members), np.float32) if state.certainty is None else state.certainty
    )
    there = state.members >= 0
    weight = np.where(there, state.coefficients, 0) ** 2
    ids = np.where(there, state.members, 0).ravel()
    total = np.bincount(ids, weight.ravel(), minlength=state.unknowns)[: state.unknowns]
    sure = np.bincount(ids, (weight * certainty[:, None]).ravel(), minlength=state.unknowns)[: state.unknowns]
    return torch.from_numpy((sure / np.maximum(total, 1e-9)).astype(np.float32))
