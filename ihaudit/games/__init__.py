"""Distinguishing games from the definitions and theorems of Carlini et al. 2021: one file per theorem or definition."""
