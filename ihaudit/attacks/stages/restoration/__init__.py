"""Variants of the stage `restoration`."""
