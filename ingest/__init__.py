"""What comes of other people's events: pure functions from their records to results and metrics.

No IO, no clock: the shell that reads and writes is `streams/ingestion`. Of the agents it knows the
forms alone in which a record is delivered and an output is given back.
"""
