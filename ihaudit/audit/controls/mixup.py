"""Two images mixed without a mask, eight times each: least squares must solve it."""

from ihaudit.contracts.control import Control, control

control(
    Control(
        "mixup",
        "mixup",
        must_break=True,
        sets={"k": "2", "epochs": "8"},
        order=2,
        like=lambda t: t.mixing and t.form == "image",
        words="mixing without a mask",
    )
)
