"""Experiments that cannot be judged or whose time is over: what no result would ever tell."""
