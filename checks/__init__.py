"""What is measured: one check per file, each a frozen dataclass that measures and never decides."""
