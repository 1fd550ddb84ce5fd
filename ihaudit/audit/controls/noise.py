"""Independent noise, which holds nothing of the images: what breaks it finds what is not there."""

from ihaudit.contracts.control import Control, control

control(Control("noise", "noise", must_break=False, order=4))
