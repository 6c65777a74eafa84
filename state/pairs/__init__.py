"""What pairs of arms have beside their rows: the steps of ramps, and blocks of units."""
