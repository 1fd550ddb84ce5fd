"""From mixtures whose masks are undone, by a predicted generator or by a network, to private images."""
