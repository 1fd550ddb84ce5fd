"""A pattern per class and noise: whoever tells images of one class apart finds what is not there."""

from ihaudit.contracts.control import Control, control

control(Control("label-only", "label-only", must_break=False, order=7))
