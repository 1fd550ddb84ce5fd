"""Pictures cut into blocks that were moved, turned, negated and recoloured: put together again by their edges."""
