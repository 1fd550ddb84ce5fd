"""Images that came out negated, by the folded likelihood of their encodings' magnitudes, or by guesses."""

from __future__ import annotations

import torch
from torch import Tensor

from ihaudit.attacks.numerics.em import log_likelihood, summed
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.scratch import Rows

#: excess of votes, of all votes, that turns an image
MAJORITY = 0.2
_BATCH = 512


def turn_negated(values: Rows, mixing: Mixing, estimate: Reconstruction) -> tuple[Tensor, int]:
    """Images with those turned that are more likely so, given the others, and their number.

    Where the network guessed the global signs of most strong encodings of an image wrong, the image comes out negated,
    though its encodings' other images do not; where encodings with both guesses met in one cluster, its mean may be
    right and its contrast negated.  Both are local optima of everything that follows.  Magnitudes alone decide, by the
    folded normal likelihood of each image's encodings with and without it turned: signs that were inferred from the
    present image cannot.  Every encoding has one vote, weighted by lambda squared, since the likelihoods of wrongly
    assigned ones are as large as they are meaningless.
    """
    images, turned = estimate.images.clone(), 0
    for _ in range(2):
        votes, others = votes_to_turn(values, mixing, Reconstruction(images, estimate.noise))
        best, which = votes.max(0)
        better = torch.nonzero(best > MAJORITY)[:, 0]
        if not len(better):
            break
        images[better] = others[which[better], better]
        turned += len(better)
    return images, turned


def votes_to_turn(values: Rows, mixing: Mixing, estimate: Reconstruction) -> tuple[Tensor, Tensor]:
    """By how many of its encodings, weighted by lambda squared, each image is more likely turned than as it is.

    Returns:
        float32 (2, N) in [-1, 1] for its negative and for its negated contrast; and (2, N, P), what these are.
    """
    images = estimate.images
    own = images[:-1]
    others = torch.stack([-own, 2 * own.mean(1, keepdim=True) - own])
    changes = others - own

    def gain(rows: slice) -> Tensor:
        predicted = mixing.forward(images, rows)
        level = estimate.noise[rows, None]
        y = values[rows].float()
        now = log_likelihood(y, predicted, level).sum(1)
        out = torch.zeros(len(changes), mixing.unknowns, device=values.device)
        for slot in range(mixing.members.shape[1]):
            ids = mixing.members[rows, slot]
            known = ids.clamp_min(0)
            weight = mixing.coefficients[rows, slot, None] * (ids >= 0)[:, None]
            for k, turned in enumerate(changes):
                moved = predicted + weight * mixing.seen(turned, rows, slot)
                change = log_likelihood(y, moved, level).sum(1) - now
                out[k].index_add_(0, known, torch.sign(change) * weight[:, 0] ** 2)
        return out

    found = summed(gain, len(mixing), _BATCH, values.device)
    votes = torch.zeros_like(found[0])
    for slot in range(mixing.members.shape[1]):
        ids = mixing.members[:, slot]
        votes.index_add_(0, ids.clamp_min(0), mixing.coefficients[:, slot] ** 2 * (ids >= 0))
    return found / votes.clamp_min(1e-9), others


def turned_by_guesses(
    values: Rows, guesses: Rows, mixing: Mixing, before: Tensor, images: Tensor
) -> tuple[Tensor, int]:
    """`turn_negated` corrected by what the network saw before any image was known, and the number turned.

    With few encodings an image's magnitudes hardly tell it from its negative, while the network's guesses of global
    signs, independent of each other, are right for nineteen in twenty.  An image that most of them contradict is
    turned, and one that most of them confirm is not.

    Args:
        values: (E, P) magnitudes; guesses: (E, P) signs before any image was known; mixing: images standing still.
        before: images (N + 1, P) before `turn_negated`; images: after it.
    """
    own = before[:-1]
    whole, part = votes_by_guesses(values, guesses, mixing, before)
    changed = (images[:-1] - own).abs().amax(1) > 0
    out = images.clone()
    out[:-1][changed & (whole > MAJORITY) & (part > MAJORITY)] = own[changed & (whole > MAJORITY) & (part > MAJORITY)]
    negated = ~changed & (whole < -MAJORITY) & (part < -MAJORITY)
    out[:-1][negated] = -own[negated]
    return out, int(((out[:-1] - own).abs().amax(1) > 0).sum())


def votes_by_guesses(values: Rows, guesses: Rows, mixing: Mixing, images: Tensor) -> Tensor:
    """Votes of encodings for their images being the right way up, whole and in contrast, float32 (2, N) in [-1, 1];
    arguments as of `turned_by_guesses`."""
    own = images[:-1]
    contrast = own - own.mean(1, keepdim=True)
    votes = torch.zeros(2, len(own), device=own.device)
    total = torch.zeros(len(own), device=own.device)
    for start in range(0, len(mixing), _BATCH):
        rows = slice(start, start + _BATCH)
        mixtures = guesses[rows].float() * values[rows].float()
        sides = torch.stack([torch.sign(mixtures @ own.T), torch.sign(mixtures @ contrast.T)])
        for slot in range(mixing.members.shape[1]):
            ids = mixing.members[rows, slot]
            weight = mixing.coefficients[rows, slot] ** 2 * (ids >= 0)
            known = ids.clamp_min(0)
            total.index_add_(0, known, weight)
            for vote, side in zip(votes, sides):
                vote.index_add_(0, known, weight * side.gather(1, known[:, None])[:, 0])
    return votes / total.clamp_min(1e-9)
