"""Numbers and moments as a person reads them."""

from datetime import UTC, datetime
from math import exp


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
    return f"{name} = {grouped(round(exp(log_e)))}" if log_e < 20.0 else f"log {name} = {log_e:.1f}"


def nth(n: int) -> str:
    """An ordinal number.

    >>> nth(1), nth(8390), nth(8392), nth(12)
    ('1st', '8 390th', '8 392nd', '12th')
    """
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{grouped(n)}{ending}"


def moment_of(ms: int) -> str:
    """A moment as people read it.

    >>> moment_of(1_700_000_000_000)
    '2023-11-14 22:13:20 UTC'
    """
    return f"{datetime.fromtimestamp(ms // 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
