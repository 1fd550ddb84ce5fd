"""From findings to claims, gates and exit codes: one statistic drives word, report and code."""
