"""Mathematics over GF(2), bit-packed: linear systems, which of their equations are wrong, polynomials."""
