"""The policy: which limits are in force, and who signed them."""
