"""The path of a record through the agents: the only place that composes them."""
