"""The engine itself on a Kafka in memory, under faults that a seed chooses: any run can be had
again.
"""
