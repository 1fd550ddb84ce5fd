"""Variants of the stage `filtering`."""
