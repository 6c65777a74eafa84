"""Arithmetic of single numbers in compiled code, where a NaN is treated as numpy treats it."""

from math import exp, isnan, log1p, nan

from schemas.compiled import compiled

_LOG_2 = 0.6931471805599453


@compiled
def greater(a: float, b: float) -> float:
    """The greater of two; NaN where either is."""
    return a if a >= b or isnan(a) else b


@compiled
def greater_known(a: float, b: float) -> float:
    """The greater of two; where one is NaN the other."""
    return a if a >= b or isnan(b) else b


@compiled
def less_known(a: float, b: float) -> float:
    """The lesser of two; where one is NaN the other."""
    return a if a <= b or isnan(b) else b


@compiled
def log_added(a: float, b: float) -> float:
    """log(exp(a) + exp(b)); NaN where either is.

    >>> round(log_added(1000.0, 1000.0), 3)
    1000.693
    """
    if a == b:
        return a + _LOG_2
    if a > b:
        return a + log1p(exp(b - a))
    if a < b:
        return b + log1p(exp(a - b))
    return nan
