"""Pixels in one secret order: an attack that it survives says nothing of schemes with one key for a whole release."""

from ihaudit.contracts.control import Control, control

control(Control("permutation", "pixel-permutation", must_break=True, order=3, key="release"))
