"""The commands of `mendstream`, a file for each topic; streams/cli.py puts them together."""
