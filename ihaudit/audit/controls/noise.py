"""Independent noise, which holds nothing of the images: what breaks it finds what is not there.

Quick audits leave it out: attacks and games see in it what they see in a cipher fresh for every image, which they run.
"""

from ihaudit.contracts.control import Control, control

control(Control("noise", "noise", must_break=False, order=4, profiles=("standard", "full")))
