"""Targets: the places where model versions serve."""
