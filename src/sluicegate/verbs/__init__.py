"""The verbs: each file adds some to the parser, and holds what they call."""
