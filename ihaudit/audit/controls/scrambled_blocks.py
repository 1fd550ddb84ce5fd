"""Blocks turned, negated, recoloured and shuffled, afresh for every image: what a key per image leaves to be seen."""

from ihaudit.contracts.control import Control, control
from ihaudit.contracts.traits import Traits, divisor


def _like(t: Traits) -> bool:
    return not t.mixing and t.form == "image" and not t.keyed and not (t.resembles or t.masked)


control(
    Control(
        "scrambled-blocks",
        "etc",
        must_break=True,
        sets=lambda t: {"block": str(divisor(t, 8)), "fresh": "true"},
        order=3,
        like=_like,
        words="a block scramble with a key of its own for every image",
    )
)
