"""Variants of the stage `fusion`."""
