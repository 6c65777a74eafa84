"""`mendstream ingest`: reads the topics of others exactly once, and writes results and metrics."""
