"""What is usual of each live metric's values, as they follow each other."""
