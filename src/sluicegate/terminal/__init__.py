"""What a person reads: results, progress and errors in a terminal; nothing of it under --json."""
