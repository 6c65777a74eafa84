"""Topics, rights and preconditions at a Kafka."""
