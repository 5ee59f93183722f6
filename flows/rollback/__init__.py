"""The way back: out of serving, data and models."""
