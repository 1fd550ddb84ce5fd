"""Feature maps of a small random convolutional network."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "features",
        "smashed-data",
        must_break=True,
        sets={"layers": "2"},
        order=3,
        like=lambda t: not t.mixing and t.form == "map",
        words="features of a random convolutional network",
    )
)
