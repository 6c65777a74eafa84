"""Lets `python -m streams` be `mendstream`."""

from streams.cli import main

main()
