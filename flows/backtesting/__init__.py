"""What a backtest came to, in words and pictures."""
