"""Variants of the stage `grouping`."""
