"""Faults that a processor must survive, each a case that says what it lost, doubled or got
wrong.
"""
