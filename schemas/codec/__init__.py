"""Records to bytes and back, and the checks of what decoders let through."""
