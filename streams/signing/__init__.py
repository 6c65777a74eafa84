"""Signs commands, and verifies them."""
