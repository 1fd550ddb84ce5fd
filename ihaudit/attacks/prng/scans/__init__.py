"""Seeds tried one by one: people's favourites by replaying the scheme, and all 2^32 by models of the generators."""
