"""Where the positions of scrambled pictures lie: covariances laid out in the plane like those of similar images."""
