"""Failures: what a losing variant or a failing model fails at, and what helped before."""
