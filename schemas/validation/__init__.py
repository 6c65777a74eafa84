"""Finds well-formed records that make no sense, each with its reason."""
