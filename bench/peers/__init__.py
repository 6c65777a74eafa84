"""Mendstream beside its peers: one broker, one topic, one job, one run."""
