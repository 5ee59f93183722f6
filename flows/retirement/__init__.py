"""A retirement: what is asked for, what embodies it, and its destruction in every store."""
