"""Synthetic series with anomalies, and how what is found in them is scored."""
