"""Tells people and their tools of alerts: each alert at least once in each channel that a route
leads to.
"""
