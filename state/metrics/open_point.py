"""What the next point of a metric's series is made of: seven numbers in one array, which continue
over restarts.

The watch of anomalies looks at points. A record of a MEAN or LATENCY that comes alone is one; those
of a RATE or COUNT, of several segments together, or more than six a minute, make one point for each
minute of event time, which is closed by the first record of a later minute.
"""

# Units of the open minute and their sum, the minute since 1970, the offset of its first record.
UNITS, SUM, MINUTE, OFFSET = range(4)
# Mean ms from record to record, how often it was learned, when the last record occurred.
PACE, PACED, LAST_AT = range(4, 7)
OPEN_POINT_WIDTH = 7
