"""Trials that promote nothing: drill, bisect, backtest, policy try."""
