"""A Kafka in memory, as much of it as the engine uses: logs, transactions, one kind of group,
clients that answer alike.
"""
