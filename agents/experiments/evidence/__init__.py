"""What totals say: evidence, effects and intervals, at every look."""
