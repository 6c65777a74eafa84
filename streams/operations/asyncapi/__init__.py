"""Describes what Mendstream says and hears, as an AsyncAPI 3 document for tools of others: made
from topics, schemas and roles.
"""
