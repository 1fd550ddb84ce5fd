"""Variants of the stage `sharpening`."""
