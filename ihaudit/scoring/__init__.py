"""Where what an attack answered and the truth meet; nothing else sees both."""
