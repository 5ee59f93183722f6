"""Which batch, then which source, makes something fail; and the innocent ones given back."""
