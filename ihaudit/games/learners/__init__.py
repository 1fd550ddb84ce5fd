"""Learners: the L of the theorems.  What the encodings of a scheme teach is what they give away."""
