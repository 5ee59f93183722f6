"""What is remembered: signed statements and the chained ledger."""
