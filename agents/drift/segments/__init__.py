"""One live metric in its segments: their rows, their streams, what the whole judges of each."""
