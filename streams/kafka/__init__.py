"""Kafka: reading, publishing, errors as sentences, dead letters, schema ids."""
