"""What one record of a live metric tells of its version, and what is usual of it."""
