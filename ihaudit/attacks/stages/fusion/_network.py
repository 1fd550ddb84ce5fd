"""Image relaxing and fusion by the shipped network, by a given rule or the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.stages.state import Alike, Assigned, Fused, Grouped, Recovered, State
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.fitting import bf16_is_fast
from ihaudit.nn.fusion import Fusion, Rule, rule_for
from ihaudit.nn.shipped import load_fusion

#: Encodings relaxed at once.
BATCH = 512
RULES: tuple[Rule, ...] = ("max", "mean")


def fusion_network(state: State, ctx: Context) -> Fusion:
    """The network, the shipped one or that of the option ``fusion_weights``."""
    path = ctx.options.get("fusion_weights")
    return load_fusion(Path(path) if path else None, ctx.device)


def fused(state: State, ctx: Context, rule: Rule | None) -> tuple[State, dict[str, Any]]:
    """Features of every image, and as `Recovered` the plain weighted means of its encodings.

    Raises:
        NotApplicable: the network takes other channels, or images of other sides.
    """
    observed, alike, images = state.observed, state.require(Alike), state.require(Grouped).unknowns
    net = fusion_network(state, ctx)
    c, h, w = observed.shape
    if c != net.channels or h % 4 or w % 4:
        raise NotApplicable(
            f"the fusion-denoising network takes images of {net.channels} channels with sides that are multiples of 4, "
            f"not {h} x {w} x {c}"
        )
    device = observed.values.device
    of, rows = torch.from_numpy(alike.of).to(device), torch.from_numpy(alike.rows).to(device)
    weight = torch.from_numpy(alike.weight).to(device)
    coefficients = state.require(Assigned).coefficients[alike.rows, alike.columns].astype(np.float32)
    factor = weight / torch.from_numpy(coefficients).to(device).clamp_min(1e-3)
    low, high = observed.image_range
    factor = factor * (2 / (high - low))  # the network was trained on images on [-1, 1]
    count = torch.bincount(of, minlength=images)
    features = torch.zeros(images, net.config.fused, h, w, device=device)
    means = torch.zeros(images + 1, c * h * w, device=device)
    total = torch.zeros(images + 1, device=device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen = {"max": 0, "mean": 0}
    for block in blocks(count.tolist()):
        part = torch.nonzero((of >= block.start) & (of < block.stop))[:, 0]
        x = observed.values[rows[part]].abs() * factor[part, None]
        means.index_add_(0, of[part], x * ((high - low) / 2))
        total.index_add_(0, of[part], weight[part])
        planes = x.view(-1, c, h, w).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_fast(device.type)):
            relaxed = net.relax(planes, weight[part])
            present = torch.unique(of[part]).tolist()
            for name in RULES:
                mine = [i for i in present if (rule or rule_for(int(count[i]))) == name]
                if not mine:
                    continue
                ids = torch.tensor(mine, device=device)
                some = torch.isin(of[part], ids)
                place = torch.searchsorted(ids, of[part][some])
                features[ids] = net.fuse(relaxed[some], place, len(ids), name).float()
                chosen[name] += len(ids)
        ctx.progress("fusion", block.stop / images)
    estimate = means / total.clamp_min(1e-9)[:, None]
    noise = torch.full((len(observed.values),), float((observed.values**2).mean()), device=device)
    found = state.having(Fused(features), Recovered(Reconstruction(estimate, noise)))
    return found, {"by_max": chosen["max"], "by_mean": chosen["mean"], "encodings_per_image": len(of) / max(1, images)}


def blocks(counts: list[int]) -> list[slice]:
    """Ranges of images that together have `BATCH` encodings, or one image's if that has more."""
    found, start, have = [], 0, 0
    for i, count in enumerate(counts):
        if have and have + count > BATCH:
            found.append(slice(start, i))
            start, have = i, 0
        have += count
    return [*found, slice(start, len(counts))]
