"""Defines what every agent is given and gives back: batches, effects, provenance, policies."""
