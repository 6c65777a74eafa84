"""Lets `python -m streams` be `mendstream`."""

from streams.cli.app import main

main()
