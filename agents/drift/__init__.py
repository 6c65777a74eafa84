"""The watch: drift of a live model's metric against its frozen reference, by version and
segment.
"""
