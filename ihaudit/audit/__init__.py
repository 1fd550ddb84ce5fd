"""The pipeline: what is audited, what is run on it, and what is kept on the way."""
