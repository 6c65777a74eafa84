"""Answers over HTTP: reads views of the tables, and turns each order of a person into a record."""
