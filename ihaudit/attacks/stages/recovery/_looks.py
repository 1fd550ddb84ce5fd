"""Other images shown to the mask recovery network, and what it makes of their encodings then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import of_rows
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Moving, Recovered, State
from ihaudit.contracts.context import Context

#: values of a release up to which a copy of all signs is held
MOST_VALUES = 100_000_000
#: times that the network sees a proposal, each followed by the image that its signs make
LOOKS = 2


@dataclass(frozen=True, eq=False)
class Look:
    """What follows from another image.

    Attributes:
        images: float32 (N + 1, P), with the image that the network's answers make instead of the one before.
        seen: int64 (n,), those of the decided encodings that hold it.
        answers: float16 (n, P), their signs.
        change: by how much the logarithm of what is left of them rises, on average by lambda squared.
    """

    images: Tensor
    seen: Tensor
    answers: Tensor
    change: float


class Looks:
    """The decided encodings of a state, with signs and images that change as looks are kept.

    Attributes:
        values, signs, mixing: of the decided encodings; estimate: images, and the noise of these encodings.
        kept: looks so far.
    """

    def __init__(self, state: State, ctx: Context) -> None:
        """For a state that is `apt`."""
        recovered = state.require(Recovered)
        assert recovered.signs is not None
        self._state, self._signs = state, recovered.signs
        self._rows, self.values, self.mixing = state.decided_rows()
        self.signs = of_rows(recovered.signs, self._rows)[:].clone()
        self.estimate = Reconstruction(recovered.estimate.images, recovered.estimate.noise[self._rows])
        self._unmasker = Unmasker(state.observed.shape, state.observed.image_range, ctx.device)
        self.kept = 0

    @staticmethod
    def apt(state: State, most_images: int) -> bool:
        """Are there guessed signs of encodings whose images stand still, and not too many of these?"""
        recovered = state.find(Recovered)
        if recovered is None or recovered.signs is None or state.observed.signs is not None:
            return False
        many = len(recovered.estimate.images) - 1 > most_images or state.observed.values.numel() > MOST_VALUES
        return state.find(Moving) is None and not many

    def at(self, image: int, proposal: Tensor) -> Look:
        """The network's view with `proposal` float32 (P,) in place of an image, all others as they are."""
        seen = torch.nonzero((self.mixing.members == image).any(1))[:, 0]
        part, noise = self.mixing.some(seen), self.estimate.noise[seen]
        shown = of_rows(self._state.observed.values, self._rows[seen])
        own = torch.where(part.members == image, part.coefficients, 0.0).sum(1, keepdim=True)
        images, answers = self.estimate.images.clone(), self.signs[seen].clone()
        images[image] = proposal
        for _ in range(LOOKS):
            self._unmasker(shown, _predictor(part, images), out=answers)
            left = answers.float() * shown[:].float() - part.forward(images, slice(None)) + own * images[image]
            images[image] = (own / noise[:, None] * left).sum(0) / (own[:, 0].square() / noise).sum()
        change = _left(shown[:], answers, part, images) - _left(shown[:], self.signs[seen], part, self.estimate.images)
        return Look(images, seen, answers, float((change * own[:, 0].square()).sum() / own.square().sum()))

    def keep(self, look: Look) -> None:
        """From now on images and signs are these."""
        self.estimate, self.kept = Reconstruction(look.images, self.estimate.noise), self.kept + 1
        self.signs[look.seen] = look.answers

    def state(self, **facts: int) -> State:
        """With what was kept, and `facts` in the record of the last stage."""
        *before, last = self._state.records
        told = last.model_copy(update={"diagnostics": last.diagnostics | facts})
        state = replace(self._state, records=(*before, told))
        if not self.kept:
            return state
        everywhere = self._signs.clone()
        everywhere[self._rows] = self.signs
        return state.recovered(self._rows, self.estimate, everywhere)


def _predictor(mixing: Mixing, images: Tensor) -> Callable[[slice], Tensor]:
    """What images (N + 1, P) make of some encodings."""
    return lambda part: mixing.forward(images, part).half()


def _left(values: Tensor, signs: Tensor, mixing: Mixing, images: Tensor) -> Tensor:
    """float32 (n,): the logarithm of what is left of encodings, expected squares with the network's doubt of signs."""
    y, s = values.float(), signs.float()
    left = (y * s - mixing.forward(images, slice(None))).square() + y.square() * (1 - s.square())
    return left.mean(1).clamp_min(1e-12).log()
