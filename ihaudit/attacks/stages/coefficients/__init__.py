"""Variants of the stage `coefficients`."""
