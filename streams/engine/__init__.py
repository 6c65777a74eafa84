"""The exactly-once engine: takes records in, folds them, commits what follows with the offsets."""
