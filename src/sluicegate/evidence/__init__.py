"""What is remembered, signed and chained, and the one verifier of it. Of gates it knows approval.py."""
