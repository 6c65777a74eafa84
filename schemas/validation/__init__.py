"""Which well-formed records still make no sense, each with its reason."""
