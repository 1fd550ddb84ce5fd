"""Variants of the stage `membership`."""
