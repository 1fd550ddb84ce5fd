"""Networks of the adversary's own, for releases that none are shipped for (`--train`)."""
