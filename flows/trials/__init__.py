"""Trials that promote nothing: drill, bisect, backtest, a policy tried."""
