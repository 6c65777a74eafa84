"""Recorded logs and what Mendstream made of each of them, so that nobody changes a decision
unaware.
"""
