"""Derives from agents' outcomes how far each may be trusted, and how soon it is heard."""
