"""The process that carries commands out: the only room that touches what serves models, and the
only one that knows Faust.
"""
