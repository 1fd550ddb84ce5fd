"""A secret random projection: vectors."""

from ihaudit.contracts.control import Control, control
from ihaudit.contracts.traits import Traits
from ihaudit.scheme import KeyScope


def _sets(t: Traits) -> dict[str, str]:
    """Under a key for every image a short vector, since every image draws a matrix of its own."""
    values = t.image[0] * t.image[1] * t.image[2]
    return {"fresh": "true", "ratio": str(min(1.0, 128 / values))} if t.key is KeyScope.IMAGE else {"ratio": "0.5"}


control(
    Control(
        "projection",
        "random-projection",
        must_break=True,
        sets=_sets,
        order=3,
        like=lambda t: not t.mixing and t.form == "vector",
        words="a random projection into vectors",
    )
)
