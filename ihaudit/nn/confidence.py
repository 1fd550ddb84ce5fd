"""How good a reconstruction is, without the truth: a calibrated combination of what the attack knows about it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: of the image: the restorer's own quality (logit), log standard error, mean certainty of the image's encodings, share
#: of doubt; of its encodings (`ihaudit.attacks.numerics.evidence`), nan where they were not asked: how strong a second
#: image is, eight figures of whether they bear it out, and six of how many they are and what labels tell
PICTURE, EVIDENCE = 4, 15
FEATURES = PICTURE + EVIDENCE
#: columns of which one may be missing without the others, and which miss for a reason that says something of the image:
#: not so the odds of being the right way up, which public images that are no photographs cannot tell
_MAY_MISS = (PICTURE, PICTURE + 1, PICTURE + 5, PICTURE + 7)
#: what a wrong image is, and networks that are averaged
WRONG, NETWORKS = 0.3, 4
_HIDDEN = 24
_FARTHEST = 4.0  # spreads from the centre: beyond it nothing was seen


class Confidence(nn.Module):
    """Small networks whose answers are averaged; fitted on attacks against our own releases (`ihaudit train
    confidence`).

    Buffers: centre and spread float32 (FEATURES,); cap float32 (2,): the chance of an image to be wrong from which no
    more is said than the second number.
    """

    centre: Tensor
    spread: Tensor
    cap: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.register_buffer("cap", torch.ones(2))
        inputs = FEATURES + len(_MAY_MISS)
        self.nets = nn.ModuleList(
            nn.Sequential(
                nn.Linear(inputs, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 2)
            )
            for _ in range(NETWORKS)
        )

    def inputs(self, features: Tensor) -> Tensor:
        """(n, FEATURES) in units of their spread, missing ones at the centre, and which are missing."""
        scaled = ((features - self.centre) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        missing = torch.isnan(features)[:, list(_MAY_MISS)]
        return torch.cat([torch.nan_to_num(scaled), missing.float()], 1)

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        """Expected pinned SSIM float32 (n,) in [0, 1] of features (n, FEATURES)."""
        x = self.inputs(features.float())
        said, wrong = torch.stack([torch.sigmoid(net(x)) for net in self.nets]).mean(0).unbind(1)
        return torch.where(wrong > self.cap[0], said.minimum(self.cap[1]), said)
