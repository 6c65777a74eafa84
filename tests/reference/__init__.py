"""Writes docs/reference from the code, and holds that it is up to date.

Room's rule: a page says nothing that the code does not say. What a page should explain better is
explained in the schema, the setting, the metric or the help that it was taken from.
"""
