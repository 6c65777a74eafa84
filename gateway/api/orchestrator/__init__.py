"""Routes that the improvement orchestrator had, in its spelling."""
