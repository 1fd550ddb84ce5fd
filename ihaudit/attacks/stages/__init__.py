"""The named stages attacks are composed of: similarity, grouping, assignment, coefficients, recovery, restoration."""
