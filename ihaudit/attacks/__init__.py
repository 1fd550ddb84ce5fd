"""Reconstruction attacks: one file or folder per attack, composed of named stages (`ihaudit.attacks.stages`)."""
