"""Images of which a part may have the wrong sign, shown to the network as magnitudes alone would have them."""

from __future__ import annotations

from torch import Tensor

from ihaudit.attacks.numerics.sign_fields import bonds, proposed
from ihaudit.attacks.stages.recovery._looks import Looks
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.context import Context

#: encodings and images up to which it is cheap; with more encodings per image hardly any place has the wrong sign
MOST_ENCODINGS, MOST_IMAGES = 3000, 300
#: of a proposal: what its signs must gain, in nats per bond, and the share of visible places that must differ
GAIN, CHANGED = 0.03, 0.02
#: by how much the logarithm of what is left of an image's encodings must fall for a proposal to be kept
BETTER = 0.005


def second_look(state: State, ctx: Context) -> State:
    """The state with other images where the network, shown these, explains their encodings better.

    Of an image with a part of the wrong sign the network's signs are consistent with that part, so that looking again
    changes nothing.  `numerics.sign_fields` proposes other signs from magnitudes alone.  The network is shown these,
    then the image that follows from its answers, all others as they are: a wrong proposal heals or leaves larger
    residuals.  How many were proposed and kept stands in the record of the stage before.
    """
    if not Looks.apt(state, MOST_IMAGES) or len(state.observed.values) > MOST_ENCODINGS:
        return state
    looks = Looks(state, ctx)
    proposals = _proposals(looks, state, ctx)
    for image, proposal in proposals:
        look = looks.at(image, proposal)
        if look.change < -BETTER:
            looks.keep(look)
    return looks.state(signs_proposed=len(proposals), images_with_other_signs=looks.kept)


def _proposals(looks: Looks, state: State, ctx: Context) -> list[tuple[int, Tensor]]:
    """Images and what is proposed for them, float32 (P,), the most promising first."""
    pairs, found = bonds(state.observed.shape), []
    for image in range(looks.mixing.unknowns):
        ctx.progress("another look at signs", image / looks.mixing.unknowns)
        one = proposed(image, looks.values, looks.mixing, looks.estimate, state.observed.image_range, pairs)
        if one is not None and one.gain > GAIN and one.changed > CHANGED:
            found.append((one.gain, image, one.image))
    return [(image, shown) for _, image, shown in sorted(found, key=lambda one: -one[0])]
