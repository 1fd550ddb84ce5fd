"""What an encoder is, from its encodings and images like those behind them, none of which belong together."""
