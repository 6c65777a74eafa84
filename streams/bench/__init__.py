"""Benches that need nothing but an installation: `mendstream bench` and `mendstream bench
latency`.
"""
