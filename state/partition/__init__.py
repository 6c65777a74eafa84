"""The memory of one partition: the tables of each agent, and all of them together."""
