"""Images that came out as their negatives, by what is left of their encodings."""

from __future__ import annotations

import torch

from ihaudit.attacks.numerics.public_polarity import FEWEST_IMAGES, ORDINARY, odds_of_images
from ihaudit.attacks.stages.recovery._looks import Looks
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.context import Context
from ihaudit.nn.shipped import load_polarity

#: images up to which it is a small part of the attack
MOST_IMAGES = 1000
#: share of the median image's log odds below which an image is proposed as its negative
DOUBTFUL = 0.5
#: log odds that the negative must reach, and by how much they must exceed those of what it is the negative of
RIGHT, RISE = 2.0, 3.0
#: by how much the logarithm of what is left of its encodings may rise: the images beside a negative have adapted to it,
#: but hardly that much (negatives: by up to 0.18 from ten encodings per image and slot on; with five by up to 0.35, and
#: twice by 0.6; right images whose odds rise, all of them with five: by 0.39 and more)
WORSE = 0.35


def turn_negatives(state: State, ctx: Context) -> State:
    """The state with images turned whose encodings' public parts are negatives of photographs (`public_polarity`).

    An image and its negative explain magnitudes alike as long as all else in their encodings is turned as well, and
    what the network guesses before any image is known it guesses from the image itself.  The public photographs beside
    it know nothing of the image.  The network is shown the negative, then the image that follows from its answers, and
    that is kept if public parts are then the right way up, and not much more is left of the encodings.  Where most
    public parts are not the right way up they are no photographs, and nothing is turned.  How many images were turned
    stands in the record of the stage before.
    """
    if not Looks.apt(state, MOST_IMAGES) or state.observed.shape[0] not in (1, 3):
        return state
    looks, net, shape = Looks(state, ctx), load_polarity(device=ctx.device), state.observed.shape
    if looks.mixing.unknowns < FEWEST_IMAGES:
        return state
    ctx.progress("negatives", None)
    odds, average = odds_of_images(looks.values, looks.signs, looks.mixing, looks.estimate.images, shape, net)
    doubtful = torch.nonzero(odds < DOUBTFUL * odds.median())[:, 0].tolist() if average > ORDINARY else []
    for image in doubtful:
        look = looks.at(image, -looks.estimate.images[image])
        seen, part = looks.values[look.seen], looks.mixing.some(look.seen)
        now, _ = odds_of_images(seen, looks.signs[look.seen], part, looks.estimate.images, shape, net)
        turned, _ = odds_of_images(seen, look.answers, part, look.images, shape, net)
        if look.change < WORSE and turned[image] > RIGHT and turned[image] - now[image] > RISE:
            looks.keep(look)
    return looks.state(negatives_proposed=len(doubtful), negatives_turned=looks.kept)
