"""Predictable masks: the generator behind an encoding, recovered from the encodings (Carlini et al. 2021, appendix B)."""

from ihaudit.attacks.prng.attack import Prng

__all__ = ["Prng"]
