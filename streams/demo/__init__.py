"""The demo: real data through the real processor on a real Kafka, and a check that what it ordered
is right.
"""
