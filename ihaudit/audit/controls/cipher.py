"""A cipher fresh for every image, in the shape of the audited encodings: what breaks it finds what is not there."""

from ihaudit.contracts.control import Control, control

control(Control("cipher", "one-time-pad", must_break=False, sets=lambda t: {"form": t.form}, order=6))
