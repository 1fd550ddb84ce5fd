"""A blur: images that still look like themselves, of which detail was taken."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "blur",
        "blur",
        must_break=True,
        sets={"sigma": "1"},
        order=3,
        like=lambda t: not t.mixing and t.form == "image" and t.resembles,
        words="a blur",
    )
)
