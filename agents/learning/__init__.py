"""Learns of a tenant's recommendations which kinds are approved, and how well that is foreseen."""
