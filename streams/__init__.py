"""Hands: Kafka, HTTP, processes, clocks, the command line. Knows everything below; judges
nothing.
"""
