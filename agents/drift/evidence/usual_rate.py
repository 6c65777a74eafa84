"""Which share of bad units is expected of a row at a moment, as compiled functions.

A rate that follows the hours of the day and the days of the week is no drift. Until a row has seen
them, only a rise that no season explains counts: a threefold one in its first day, and one by more
than a quarter in its first week, where the policy says that it may follow the week. After that a
record is compared with what is usual at its hour, as far as the hours differ by more than chance
(empirical Bayes: Efron and Morris, JASA 1973), and on its day of the week.

Worked example: 2 % over the week, a dispersion of 1; 2 500 units in the three hours around 14:00,
75 of them bad where 50 are expected, and a variance between the hours of 0.04. The prior then
weighs as much as 25 bad units: (75 + 25) / (50 + 25) = 1.33, so that 2.7 % are expected at 14:00.
"""

from math import inf, sqrt

import numpy as np

from agents.statistics.dispersion import take_in
from agents.statistics.e_detector import alternatives_to, upper_bound
from schemas.compiled import compiled
from schemas.records import Season
from state.metrics.cells import RowCells
from state.metrics.usual import (
    BEGAN_AT,
    DAY_HOURS,
    DAYS,
    DISPERSION,
    EXPECTED_BAD,
    EXPECTED_COUNT,
    EXPECTED_HOUR,
    HOURS,
    WEEK_DAYS,
)

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

SEASONS = tuple(Season)
_DAILY, _WEEKLY = SEASONS.index(Season.DAY), SEASONS.index(Season.WEEK)
HOUR_MS = 3_600_000
DAY_MS = DAY_HOURS * HOUR_MS
WEEK_MS = WEEK_DAYS * DAY_MS
LONGEST_MS = 2.0 * HOUR_MS  # within which a season moves a rate little
FIRST_WATCHED = 100  # judged units of a reference, from which on records are watched against it
TOLERANCE_OF_DAY = 3.0  # times the odds, before a day has been seen or the reference is frozen
TOLERANCE_OF_WEEK = 1.25  # times the odds, before a week has been seen
# Days of the week with a fiftieth of what was learned each, before a day and a week are known: one
# stray record of long ago is neither.
DAYS_OF_DAY, DAYS_OF_WEEK = 2, 5
_FIFTIETH = 0.02
_THURSDAY = 4  # 1 January 1970, counted from Sunday
_SIGMAS = 1.645  # of a one-sided bound at 95 %


@compiled
def learn(row: RowCells, units: int, bad: int, occurred_at: int) -> None:
    """Takes a judged record into what is usual. occurred_at: ms."""
    usual, moment, longest = row.usual, float(occurred_at), inf
    has_season = row.season == _DAILY or row.season == _WEEKLY
    if has_season and usual[BEGAN_AT] == 0.0:
        usual[BEGAN_AT] = moment
    if has_season and not row.stated and moment < usual[BEGAN_AT] + DAY_MS:
        longest = LONGEST_MS
    take_in(usual, units, bad, units * _relative(row), moment, longest)
    if not has_season or (row.frozen and moment >= usual[BEGAN_AT] + WEEK_MS):
        return
    for at in (_of_hour(occurred_at), _of_day(occurred_at)):
        usual[at] += float(units)
        usual[at + 1] += float(bad)


@compiled
def expect(row: RowCells, occurred_at: int) -> None:
    """Brings what is expected of a row up to the hour of a record, and to its reference."""
    usual, hour = row.usual, float(occurred_at // HOUR_MS)
    if row.frozen:
        is_due = usual[EXPECTED_HOUR] != hour or usual[EXPECTED_COUNT] != float(row.reference_count)
    else:
        # Not with each hour, or a fault would be learned faster than it can be told.
        is_due = float(row.reference_count) >= 2.0 * usual[EXPECTED_COUNT]
    if is_due:
        row.expected, row.bound = _rates(row, occurred_at)
        usual[EXPECTED_HOUR] = hour
        usual[EXPECTED_COUNT] = float(row.reference_count)
        usual[EXPECTED_BAD] = float(row.reference_bad)
        alternatives_to(row.bound, row.alternatives)
    elif row.alternatives[0, 0] == 0.0:  # it was taken in hand
        alternatives_to(row.bound, row.alternatives)


@compiled
def _relative(row: RowCells) -> float:
    """What is expected at the hour, relative to the reference."""
    if row.reference_bad == 0 or row.expected <= 0.0:
        return 1.0
    return row.expected * row.reference_count / row.reference_bad


@compiled
def dispersion(row: RowCells) -> float:
    """How many units weigh as one independent unit, at least 1."""
    times: float = row.usual[DISPERSION]
    return max(1.0, times)


@compiled
def _rates(row: RowCells, occurred_at: int) -> tuple[float, float]:
    """(the share of bad units that is expected, the share beyond which records count against a
    version).
    """
    count, bad = float(row.reference_count), float(row.reference_bad)
    if row.stated:
        return bad / count, with_odds(upper_bound(bad, count), row.tolerance)
    times = dispersion(row)
    known = upper_bound(bad / times, count / times)
    if not row.frozen:
        if row.usual[EXPECTED_COUNT] > 0.0:  # as it stood when it had half as many units
            count, bad = row.usual[EXPECTED_COUNT], row.usual[EXPECTED_BAD]
            known = upper_bound(bad / times, count / times)
        return bad / count, with_odds(known, TOLERANCE_OF_DAY * row.tolerance)
    if row.season != _DAILY and row.season != _WEEKLY:
        return bad / count, with_odds(known, row.tolerance)
    age, days = occurred_at - row.usual[BEGAN_AT], _days_seen(row.usual)
    if age < DAY_MS or days < DAYS_OF_DAY:
        return bad / count, with_odds(known, TOLERANCE_OF_DAY * row.tolerance)
    is_week_known = row.season == _WEEKLY and age >= WEEK_MS and days >= DAYS_OF_WEEK
    expected, known = _at_hour(row, occurred_at, times, is_week_known)
    tolerance = row.tolerance
    if row.season == _WEEKLY and not is_week_known:
        tolerance *= TOLERANCE_OF_WEEK
    return expected, with_odds(known, tolerance)


@compiled
def _at_hour(row: RowCells, occurred_at: int, times: float, by_day: bool) -> tuple[float, float]:
    """(the share of bad units usual at the hour, an upper bound of it).

    times: the dispersion. by_day: whether days of the week are told apart. The hour is taken with
    the two beside it. The level is that of what was learned or of the reference, whichever has
    more units.
    """
    usual = row.usual
    count, bad = _total(usual)
    level_count, level_bad = count, bad
    if float(row.reference_count) > count:
        level_count, level_bad = float(row.reference_count), float(row.reference_bad)
    level, known = level_bad / level_count, upper_bound(level_bad / times, level_count / times)
    if bad == 0.0:
        return level, known
    rate = bad / count
    hits = units = 0.0
    for hours in (-1, 0, 1):
        at = _of_hour(occurred_at + hours * HOUR_MS)
        units += usual[at]
        hits += usual[at + 1]
    variance = _variance(usual, HOURS, DAY_HOURS, rate, times)
    ratio, square = _shrunken(hits, units * rate, variance, times)
    if by_day:
        at = _of_day(occurred_at)
        variance = _variance(usual, DAYS, WEEK_DAYS, rate, times)
        of_day, square_of_day = _shrunken(usual[at + 1], usual[at] * rate, variance, times)
        ratio, square = ratio * of_day, square + square_of_day
    known *= ratio + _SIGMAS * sqrt(square)
    return min(level * ratio, 1.0), min(known, 1.0 - 1e-9)


@compiled
def _days_seen(usual: Floats) -> int:
    """Days of the week on which at least a fiftieth of what is usual was learned."""
    count, _ = _total(usual)
    days = 0
    for day in range(WEEK_DAYS):
        if usual[DAYS + 2 * day] > 0.0 and usual[DAYS + 2 * day] >= _FIFTIETH * count:
            days += 1
    return days


@compiled
def _total(usual: Floats) -> tuple[float, float]:
    count = bad = 0.0
    for hour in range(DAY_HOURS):
        count += usual[HOURS + 2 * hour]
        bad += usual[HOURS + 2 * hour + 1]
    return count, bad


@compiled
def _variance(usual: Floats, first: int, cells: int, rate: float, times: float) -> float:
    """By how much the rates of hours or of days differ from the whole's, relative to it and
    squared, less what chance brings (method of moments); at most 0 where chance explains them.
    """
    above = below = 0.0
    for cell in range(cells):
        expected = usual[first + 2 * cell] * rate
        above += (usual[first + 2 * cell + 1] - expected) ** 2 - times * expected * (1.0 - rate)
        below += expected * expected
    return above / below


@compiled
def _shrunken(bad: float, expected: float, variance: float, times: float) -> tuple[float, float]:
    """(bad units to those expected of the whole's rate, drawn towards 1 by as much as that ratio
    may be chance; the square of its error).
    """
    if variance <= 0.0:
        return 1.0, 0.0
    prior = times / variance
    return (bad + prior) / (expected + prior), times / (expected + prior)


@compiled
def _of_hour(occurred_at: int) -> int:
    return HOURS + 2 * int(occurred_at // HOUR_MS % DAY_HOURS)


@compiled
def _of_day(occurred_at: int) -> int:
    return DAYS + 2 * int((occurred_at // DAY_MS + _THURSDAY) % WEEK_DAYS)


@compiled
def with_odds(rate: float, times: float) -> float:
    """The rate whose odds are so many times those of this one.

    >>> with_odds(0.5, 3.0)
    0.75
    """
    odds = times * rate / (1.0 - rate)
    return odds / (1.0 + odds)
