"""Destruction for good, and its certificate."""
