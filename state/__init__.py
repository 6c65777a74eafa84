"""Memory: keyed tables, windows, views. Knows numpy and the words; decides nothing, does no IO."""
