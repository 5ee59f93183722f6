"""Reviewers' answers and what they cause; policy signatures."""
