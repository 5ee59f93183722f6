"""What is remembered, signed and chained, and the one verifier of it: pure, knows gates/approval.py only."""
