"""Holds what an operator does beside the engine: audit, redrive, skip, try a deployer, document the
topics.
"""
