"""The same constant whatever the images: what breaks it finds what is not there."""

from ihaudit.contracts.control import Control, control

control(Control("constant", "constant", must_break=False, order=5))
