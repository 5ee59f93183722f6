"""What is remembered, signed and chained, and its one verifier. Of gates it knows approval.py only."""
