"""Where views of tables are kept for dashboards: in memory, or in Redis, to which this is the only
door.
"""
