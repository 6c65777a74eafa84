"""Watches the values of live metrics, whatever they measure: says what is unusual, and since when a
level holds. It orders nothing.
"""
