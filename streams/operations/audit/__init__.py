"""Checks a deployment against its own promises. It reads only, and belongs to no group."""
