"""Who asks: tokens, their keys, and what each identity may do."""
