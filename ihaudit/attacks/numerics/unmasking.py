"""Expected unmasked encodings from the mask recovery network, blind or given a prediction.

A photograph's magnitudes betray most of its signs: values change sign where |m| passes through zero.  What the network
makes of one encoding is a signed mixture, wrong in a tenth of its weight and known up to one global sign; mixtures of
photographs can then be compared and solved for linearly, where squares lose the faint members.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.numerics.scratch import Rows, empty
from ihaudit.errors import NotApplicable
from ihaudit.nn.fitting import bf16_is_fast
from ihaudit.nn.shipped import load_unmix, load_unmix_deployed
from ihaudit.nn.unet import MIN_SIDE

Shape = tuple[int, int, int]

#: how far the middle of the range of mixed images may lie from zero, in units of its larger end, for the network that
#: was trained on [-1, 1]; and for the one that was trained on images normalised by means and deviations too
CENTRED, OFF_CENTRE = 0.01, 0.4


class Unmasker:
    """The network for one release.

    Raises:
        NotApplicable: encodings of a shape or range that the network was not trained for.
    """

    def __init__(self, shape: Shape, image_range: tuple[float, float], device: torch.device | str) -> None:
        """`shape`: (C, H, W); `image_range`: of the images as mixed."""
        c, h, w = shape
        low, high = image_range
        if c not in (1, 3):
            raise NotApplicable(f"mask recovery needs grey or colour images, not {c} channels; see --attack phase")
        if min(h, w) < MIN_SIDE:
            raise NotApplicable(
                f"mask recovery needs images of at least {MIN_SIDE} pixels, not {h}x{w}; see --attack phase"
            )
        if low >= 0 or high <= 0:
            raise NotApplicable(
                f"images were mixed on [{low:g}, {high:g}], where all values have one sign: no mask hides them"
            )
        if abs(low + high) / 2 > OFF_CENTRE * max(-low, high):
            raise NotApplicable(
                f"the mask recovery network was trained on ranges around 0, not on [{low:g}, {high:g}]; "
                "see --attack phase"
            )
        self.shape = shape
        self.device = torch.device(device)
        # images normalised by mean and deviation are as often bright as dark in every channel
        load = load_unmix_deployed if abs(low + high) / 2 > CENTRED * max(-low, high) else load_unmix
        self.net = load(device=str(device))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # where the processor lacks bf16, emulating it is slower than float32
        self.bf16 = bf16_is_fast(self.device.type)
        # 16 rows fit into the caches of a core: a tenth of the time less than with 64
        self.batch = 16 if self.device.type == "cpu" else 1024

    def __call__(
        self,
        magnitude: Rows,
        known: Callable[[slice], Tensor] | None = None,
        *,
        out: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Expected signs E[sign m | |m|, known], float16 (n, P) in [-1, 1].

        Args:
            magnitude: (n, P) |m|, P = C*H*W.
            known: of some rows (n, P), the prediction of m by reconstructions; None where nothing is known, and the
                global sign is then a guess.
            out, at: float16 (E, P) and int64 (n,), the array and its rows that are written, where there is one already.
        """
        n, p = magnitude.shape
        into = empty((n, p), torch.float16, magnitude.device) if out is None else out
        rows = [slice(i, min(i + self.batch, n)) for i in range(0, n, self.batch)]

        def one(part: slice) -> None:
            where = part if at is None else at[part]
            found = self._expect(magnitude[part], None if known is None else known(part))
            into[where] = found.to(into.device)

        run_jobs(one, rows, self.device)
        return into

    @torch.inference_mode()
    def _expect(self, magnitude: Tensor, known: Tensor | None) -> Tensor:
        c, h, w = self.shape
        # the rest of an attack may be done on the CPU all the same
        y = magnitude.to(self.device).float().view(-1, c, h, w)
        part = torch.zeros_like(y) if known is None else known.to(self.device).float().view(-1, c, h, w)
        y, part = (v.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last) for v in (y, part))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.net(y, part).float()
        if c == 1:
            logits = logits.mean(1, keepdim=True)
        return torch.tanh(logits / 2).reshape(len(y), -1).half()
