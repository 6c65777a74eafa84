"""Kafka Streams' own exactly-once test, with our engine in the place of Kafka Streams."""
