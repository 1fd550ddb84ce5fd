"""Everything that a release consists of, as rows of one image each, and whether images can be read off it."""
