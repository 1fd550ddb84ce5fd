"""Generators of pseudo-random numbers and how libraries draw masks from them: nothing here knows of a release."""
