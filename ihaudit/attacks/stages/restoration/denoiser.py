"""`restoration=denoiser`: images of what was fused, by non-local attention (Luo et al., AAAI 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ihaudit.attacks.stages.fusion._network import fusion_network
from ihaudit.attacks.stages.state import Alike, Fused, State
from ihaudit.contracts.attack import stage
from ihaudit.contracts.context import Context
from ihaudit.nn.fitting import bf16_is_fast

BATCH = 64


@stage("restoration", "denoiser")
def restoration_denoiser(state: State, ctx: Context) -> tuple[State, dict[str, Any]]:
    """The second half of the fusion-denoising network, and the pinned SSIM that it expects of every image.

    An image without an encoding of its own comes out as the network's guess at nothing, with confidence 0.
    """
    features = state.require(Fused).features
    net = fusion_network(state, ctx)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, quality = [], []
    device = features.device.type
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16_is_fast(device)):
        for part in features.split(BATCH):
            found, logit = net.denoise(part.contiguous(memory_format=torch.channels_last))
            images.append(((found + 1) / 2).clamp(0, 1))
            quality.append(torch.sigmoid(logit))
    pictures = torch.cat(images).permute(0, 2, 3, 1).contiguous().float().cpu().numpy()
    confidence = torch.cat(quality).float().cpu().numpy()
    confidence[np.setdiff1d(np.arange(len(confidence)), state.require(Alike).of)] = 0
    return state.restored(pictures, confidence), {"mean_confidence": float(confidence.mean())}
