"""Each replica's own copy of tables and log tails, in one SQLite file that Kafka can make anew."""
