"""Inverse maps of a keyed encoder from known pairs (images, and the encodings made of them): one file per family."""
