"""What `ihaudit train NAME` runs, one file per name."""
