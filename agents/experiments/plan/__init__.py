"""How an experiment is judged: its terms, frozen at its first result."""
