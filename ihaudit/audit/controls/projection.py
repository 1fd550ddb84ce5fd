"""A secret random projection: vectors."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "projection",
        "random-projection",
        must_break=True,
        order=3,
        like=lambda t: not t.mixing and t.form == "vector" and t.keyed,
        words="a random projection into vectors",
    )
)
