"""What becomes of a delivery: frozen, measured, judged by the policy, and settled."""
