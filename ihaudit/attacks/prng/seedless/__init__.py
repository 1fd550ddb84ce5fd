"""A Mersenne Twister's state from a release alone, by linear algebra over GF(2), and the seed behind it."""
