"""The commands of `mendstream`, a file for each topic; streams/cli/app.py puts them together."""
