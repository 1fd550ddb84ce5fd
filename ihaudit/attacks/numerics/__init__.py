"""What attacks compute: no State, Context or registry."""
