"""A cipher of small blocks under one key: images of the same shape that look like noise."""

from ihaudit.contracts.control import Control, control
from ihaudit.contracts.traits import Traits, divisor


def _like(t: Traits) -> bool:
    return not t.mixing and t.form == "image" and t.keyed and not (t.rearranged or t.resembles or t.masked)


control(
    Control(
        "block-cipher",
        "learnable-encryption",
        must_break=True,
        sets=lambda t: {"block": str(divisor(t, 4))},
        order=3,
        like=_like,
        words="a cipher of small blocks under one key (learnable encryption)",
    )
)
