"""Releases into which no public image was mixed, told by how few directions their encodings span."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.private_alone import Alone, directions, images_alone
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.numerics.unmasking import Unmasker
from ihaudit.attacks.stages.state import Assigned, Grouped, Observed, Recovered, State, Unmasked
from ihaudit.contracts.context import Context

#: encodings up to which directions are counted in little time, and values up to which copies are held
MOST_ENCODINGS, MOST_VALUES = 8000, 30_000_000
#: encodings that show whether directions are few at all
SHOWN = 1000
#: times that the network sees what images make of encodings
LOOKS = 2
#: weight that labels leave at most where they tell of no public image; encodings decide all the same, since labels may
#: also have been scaled to a sum of one
UNTOLD = 0.02
#: images of an encoding up to which grouping tells from weights which of them are sums of two
TOLD = 2
#: share of the power beyond the first direction that images leave at most, before the network has seen what they make
#: of encodings and after
AT_FIRST, AT_LAST = 0.15, 0.04
#: where the number of images comes from
SOURCE = "directions that the encodings span"


def private_alone(state: State, ctx: Context) -> State | None:
    """The state with images, members and coefficients; None where labels leave weight to public images, and where these
    are among what is mixed, or seem to be.

    After `similarity=unmasked`, in place of a grouping: that takes for granted how many images an encoding holds where
    labels do not tell, and the others for noise; where weights of more than two classes tell, it cannot say which of
    them are sums of two images.  Where all are private, encodings span as many directions as there are images
    (`numerics.private_alone`), and labels are not needed.  The network is shown what images make of encodings, and they
    are taken apart again with the signs that it then knows.
    """
    observed, unmasked = state.observed, state.find(Unmasked)
    if unmasked is None or not _apt(observed):
        return None
    signs, values = unmasked.signs, observed.values
    step = -(-len(values) // SHOWN)
    if directions(signs[::step].float() * values[::step].float()) is None:
        return None
    ctx.progress("directions of encodings", None)
    mixtures = signs.float() * values.float()
    count = directions(mixtures)
    if count is None:
        return None
    looks = LOOKS if observed.signs is None else 0
    found = images_alone(mixtures, count, ctx.seed, n_private=observed.n_private, rough=looks > 0)
    for look in range(looks):
        if found is None or found.left > AT_FIRST:
            return None
        made = found.mixtures().half()
        signs = Unmasker(observed.shape, observed.image_range, ctx.device)(values, made.__getitem__)
        mixtures = signs.float() * values.float()
        rough = look + 1 < looks
        found = images_alone(mixtures, count, ctx.seed, n_private=observed.n_private, rough=rough)
    return None if found is None or found.left > AT_LAST else _made(state, unmasked, found, signs)


def _apt(observed: Observed) -> bool:
    """Do labels leave no weight to public images, or tell no coefficients, and are encodings not too many?"""
    slots = observed.slots
    many = len(observed.values) > MOST_ENCODINGS or observed.values.numel() > MOST_VALUES
    # what weights of two images tell is used by grouping
    told = slots.informative and slots.count > TOLD and bool((slots.share <= UNTOLD).all())
    return (told or not slots.informative) and not many


def _made(state: State, unmasked: Unmasked, found: Alone, signs: Tensor) -> State:
    observed, count, used = state.observed, len(found.images), found.members >= 0
    slots = replace(
        observed.slots,
        label=np.where(used, 0, -1),
        mass=found.coefficients,
        shared=np.asarray(~used.all(1)),
        classes=1,
        informative=False,
        estimated=True,
    )
    signs = (signs * torch.where(found.turned, -1, 1)[:, None].to(signs.dtype)).contiguous()
    made = found.mixtures() * torch.where(found.turned, -1.0, 1.0)[:, None]
    noise = (signs.float() * observed.values.float() - made).square().mean(1).clamp_min(1e-6)
    images = torch.cat([found.images, torch.zeros_like(found.images[:1])])
    sizes = Sizes(np.array([count]), float(used.sum()) / count, False, SOURCE)
    told = replace(state, observed=replace(observed, slots=slots))
    return told.having(
        Grouped([np.arange(count)], sizes),
        Assigned(found.members, found.coefficients, np.ones(len(used), np.float32)),
        Recovered(Reconstruction(images, noise), signs),
        replace(unmasked, signs=signs, polarity=torch.ones(len(signs), device=signs.device)),
    )
