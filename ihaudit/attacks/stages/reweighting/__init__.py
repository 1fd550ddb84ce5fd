"""Variants of the stage `reweighting`."""
