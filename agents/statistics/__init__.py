"""Formulas: no table and no record, so that each can be read, tested and published alone."""
