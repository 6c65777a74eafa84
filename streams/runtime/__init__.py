"""Holds what every process needs: settings, clock, errors, metrics, health, terminal,
supervision.
"""
