"""A drill: what is played, on which rows, what it came to, and the threats that stay open."""
