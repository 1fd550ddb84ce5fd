"""Variants of the stage `recovery`."""
