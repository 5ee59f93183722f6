"""What the checks calculate with: samples, tests, summaries, models of the window. No check lives here."""
