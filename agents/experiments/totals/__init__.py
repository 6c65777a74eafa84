"""What the records of an arm add up to, after each of them."""
