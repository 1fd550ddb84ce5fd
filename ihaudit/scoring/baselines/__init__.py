"""Trivial guesses scored beside every attack: what someone reaches who does not attack at all.

They are built from the `View` alone.  Their guesses are scored with ``reuse=True`` (one guess may stand for any number
of private images, the nearest each), which errs on the side of the baseline: an attack has to be better than that.
"""
