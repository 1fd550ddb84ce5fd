"""Variants of the stage `similarity`."""
