"""Numbers as a person reads them."""

import numpy as np


def grouped(n: int) -> str:
    """Thousands apart.

    >>> grouped(1240)
    '1 240'
    """
    return f"{n:_}".replace("_", " ")


def odds(log_e: float, name: str) -> str:
    """An e-value or its like, by its logarithm where it is too long to read.

    >>> odds(7.1228, "e"), odds(800.0, "e")
    ('e = 1 240', 'log e = 800.0')
    """
    return f"{name} = {grouped(round(float(np.exp(log_e))))}" if log_e < 20.0 else f"log {name} = {log_e:.1f}"
