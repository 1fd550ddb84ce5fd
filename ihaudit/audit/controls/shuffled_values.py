"""Values in an order of their own for every image, as a vector: what a key per image leaves to be recognised.

A projection with a matrix for every image leaves lengths alone, which no attack makes enough of at control size.
"""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "shuffled-values",
        "shuffled-values",
        must_break=True,
        order=3,
        like=lambda t: not t.mixing and t.form == "vector" and not t.keyed,
        words="a shuffle of values with an order of its own for every image",
    )
)
