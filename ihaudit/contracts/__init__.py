"""What others implement, and what it is handed: attacks, games, encoders, replays, formats, stores."""
