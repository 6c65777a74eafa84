"""A real Apache Kafka as a child process, without Docker."""
