"""Analyses what a losing variant or a failing model fails at, why, what it costs and what might
mend it.
"""
