"""Change points that people marked, and how those that were found are scored against them.

van den Burg and Williams, "An Evaluation of Change Point Detection Algorithms", arXiv:2003.06222:
the begin of a series counts as a change for everybody; a change is found where one is told within
five points of it, and each that is told counts once; precision is over the union of all marks,
recall the mean over those who marked.
"""

from collections.abc import Iterable, Sequence

MARGIN = 5  # points


def f1(marks: Sequence[Iterable[int]], told: Iterable[int]) -> tuple[float, float, float]:
    """(F1, precision, recall) of what was told; marks: of each who marked.

    >>> f1([[100]], [103]), f1([[100]], [])
    ((1.0, 1.0, 1.0), (0.6666666666666666, 1.0, 0.5))
    """
    each, found = [{0, *one} for one in marks], {0, *told}
    union = set[int]().union(*each)
    precision = len(_matched(union, found)) / len(found)
    recall = sum(len(_matched(one, found)) / len(one) for one in each) / len(each)
    return 2.0 * precision * recall / (precision + recall), precision, recall


def _matched(marked: Iterable[int], told: Iterable[int]) -> set[int]:
    """The marks that something was told of: of several told within the margin, the nearest."""
    left, matched = set(told), set[int]()
    for mark in sorted(marked):
        near = sorted((abs(mark - one), one) for one in left if abs(mark - one) <= MARGIN)
        if near:
            left.discard(near[0][1])
            matched.add(mark)
    return matched
