"""Values that a key changed where they stand: signs, orders of channels, pads, halves of bytes; encodings alone."""
