"""A search through lives of commands: processor, executors and targets in one process, under
whatever may happen.
"""
