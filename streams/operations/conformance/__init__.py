"""Tries a deployer: sends it commands of all kinds, good and bad, and judges what it reports of
them.
"""
