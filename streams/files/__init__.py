"""Files that people write and read: YAML, CSV, JSON lines, and records as text."""
