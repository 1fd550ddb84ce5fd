"""Predictable masks: the generator of an encoding, recovered from encodings (Carlini et al. 2021, appendix B)."""

from ihaudit.attacks.prng.attack import Prng

__all__ = ["Prng"]
