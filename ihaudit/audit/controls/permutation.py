"""Pixels in one secret order: the simplest keyed encoding that keeps the values of its image."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "permutation",
        "pixel-permutation",
        must_break=True,
        order=3,
        like=lambda t: not t.mixing and t.form == "image" and t.rearranged and t.keyed,
        words="one secret order of the pixels",
    )
)
