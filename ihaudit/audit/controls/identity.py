"""Images released as they are: every attack and game must see it."""

from ihaudit.contracts.control import Control, control

control(Control("identity", "identity", must_break=True, order=1))
