"""Reference schemes, one file each, written as a user would write scheme.py; found by name."""
