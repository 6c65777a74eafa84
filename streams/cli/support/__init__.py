"""Holds what the commands share: options, output, delivery of a person's word."""
