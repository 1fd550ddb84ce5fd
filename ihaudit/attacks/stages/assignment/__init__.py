"""Variants of the stage `assignment`."""
