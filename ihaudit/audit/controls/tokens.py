"""A secret linear map of patches, shuffled: sets of vectors, as of NeuraCrypt without hidden layers."""

from ihaudit.contracts.control import Control, control
from ihaudit.contracts.traits import divisor

control(
    Control(
        "tokens",
        "neuracrypt",
        must_break=True,
        sets=lambda t: {"depth": "-1", "patch": str(divisor(t, 4)), "width": "64"},
        order=3,
        like=lambda t: not t.mixing and t.form == "tokens",
        words="a secret linear map of shuffled patches (NeuraCrypt without hidden layers)",
    )
)
