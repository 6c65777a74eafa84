"""The score of the Numenta Anomaly Benchmark, of series whose anomalies are known.

Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark",
ICMLA 2015, arXiv:1510.03336; the standard profile. Around each anomaly lies a window; the windows
of a series have a tenth of its length together. The first alarm in a window counts the more the
sooner it comes, later ones count nothing; an alarm outside of all costs 0.11, less where it comes
soon after a window; a window without one costs 1. What falls into the first 15 % of a series, 750
points at most, is left out. 0 is the score of no alarm at all, 100 that of a perfect detector.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp

PROBATION, PROBATION_OF_MOST = 0.15, 5_000
FALSE_ALARM, MISSED = 0.11, 1.0
WINDOWS = 0.1  # of a series
_FAR = 3.0  # widths of a window, beyond which an alarm is as false as one before any


@dataclass(frozen=True, slots=True)
class Judged:
    """points: of the series. anomalies: where each begins. alarms: in the order of the series."""

    points: int
    anomalies: tuple[int, ...]
    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of one series, or of many: the raw score, windows with an alarm, false alarms,
    windows, and points that were judged.
    """

    raw: float
    found: int
    false: int
    windows: int
    points: int

    @property
    def normal(self) -> float:
        """The score, from 0 of no alarm to 100 of a perfect detector."""
        return 100.0 * (self.raw + self.windows * MISSED) / (2.0 * self.windows)

    @property
    def false_per_100_000(self) -> float:
        return 1e5 * self.false / self.points


def scored(judged: Iterable[Judged]) -> Scored:
    """The score of several series under one threshold."""
    each = [_of_series(one) for one in judged]
    return Scored(
        sum(one.raw for one in each),
        sum(one.found for one in each),
        sum(one.false for one in each),
        sum(one.windows for one in each),
        sum(one.points for one in each),
    )


def probation(points: int) -> int:
    """The points at the begin of a series that are left out."""
    return int(PROBATION * min(points, PROBATION_OF_MOST))


def windows_of(points: int, anomalies: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last point of the window of each anomaly.

    >>> windows_of(1_000, [500, 900])
    [(475, 525), (875, 925)]
    """
    if not anomalies:
        return []
    half = max(5, int(WINDOWS * points / len(anomalies)) // 2)
    found: list[tuple[int, int]] = []
    for at in anomalies:
        first, last = max(0, at - half), min(points - 1, at + half)
        if found and first <= found[-1][1]:
            middle = (first + found[-1][1]) // 2
            found[-1], first = (found[-1][0], middle), middle + 1
        found.append((first, last))
    return found


def _of_series(one: Judged) -> Scored:
    windows, start = windows_of(one.points, one.anomalies), probation(one.points)
    found, raw, false = set[int](), 0.0, 0
    for at in one.alarms:
        if at < start:
            continue
        window = next((w for w, (first, last) in enumerate(windows) if first <= at <= last), None)
        if window is None:
            raw += FALSE_ALARM * _of_false(at, windows)
            false += 1
        elif window not in found:
            found.add(window)
            first, last = windows[window]
            raw += _sigmoid(-(last - at + 1) / (last - first + 1)) / _sigmoid(-1.0)
    raw -= MISSED * (len(windows) - len(found))
    return Scored(raw, len(found), false, len(windows), one.points - start)


def _of_false(at: int, windows: Sequence[tuple[int, int]]) -> float:
    before = [(first, last) for first, last in windows if last < at]
    if not before:
        return -1.0
    first, last = before[-1]
    widths = (at - last) / max(1, last - first)
    return _sigmoid(widths) if widths <= _FAR else -1.0


def _sigmoid(widths: float) -> float:
    return 2.0 / (1.0 + exp(5.0 * widths)) - 1.0
