"""Features of several images mixed under masks from a pool, as in TextHide."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "hidden-mixing",
        "hidden-mixing",
        must_break=True,
        sets={"width": "64", "k": "2", "pool": "1", "epochs": "8"},
        order=2,
        like=lambda t: t.mixing and t.form != "image",
        words="mixing of features",
    )
)
