"""What agents' outcomes say of them: how far each may be trusted, and how soon it is heard."""
