"""The service's own keys: how one follows another, and what is left of a stolen one's word."""
