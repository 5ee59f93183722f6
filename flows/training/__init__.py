"""What a model is trained on, models of parts of it, and how one is kept and attested."""
