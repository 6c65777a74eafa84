"""What people say, as records on topics, and what became of them."""
