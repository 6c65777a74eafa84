"""What changes, as it changes: WebSockets, and who is told what."""
