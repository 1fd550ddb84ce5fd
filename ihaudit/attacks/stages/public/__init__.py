"""Variants of the stage `public`."""
