"""Failures with the same signature: how often, what came before, what helped. Folded under the
failure type.
"""
