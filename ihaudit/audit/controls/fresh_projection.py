"""A random projection that is drawn afresh for every image: lengths and little else survive."""

from ihaudit.contracts.control import Control, control
from ihaudit.contracts.traits import Traits


def _sets(t: Traits) -> dict[str, str]:
    """A short vector, since every image draws a matrix of its own."""
    values = t.image[0] * t.image[1] * t.image[2]
    return {"fresh": "true", "ratio": str(min(1.0, 128 / values))}


control(
    Control(
        "fresh-projection",
        "random-projection",
        must_break=True,
        sets=_sets,
        order=3,
        like=lambda t: not t.mixing and t.form == "vector" and not t.keyed,
        words="a random projection into vectors with a matrix of its own for every image",
    )
)
