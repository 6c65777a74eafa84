"""Keeps views of tables for dashboards: in memory, or in Redis, to which this is the only door."""
