"""Numbers that grow by target, for so many targets of a subject as one row holds.

What is forgotten leaves a floor: a target that comes again, or for the first time, goes on above
every number that was ever given to one that was forgotten, so numbers of a target grow whatever is
remembered of it.
"""

from collections.abc import Mapping

from schemas.row_limits import TARGETS_MAX

FLOOR = ""  # no target has this name


def next_number(numbers: Mapping[str, int], target: str) -> tuple[int, dict[str, int]]:
    """The next number of a target, and all numbers with it; the target used longest ago is
    forgotten where it is too many.

    >>> next_number({"bot/production": 3}, "bot/production")
    (4, {'bot/production': 4})
    """
    number = max(numbers.get(target, 0), numbers.get(FLOOR, 0)) + 1
    kept = {name: value for name, value in numbers.items() if name != target} | {target: number}
    names = [name for name in kept if name != FLOOR]
    for name in names[: max(0, len(names) - TARGETS_MAX)]:
        kept[FLOOR] = max(kept.get(FLOOR, 0), kept.pop(name))
    return number, kept


def locked(locks: Mapping[str, int], target: str, until: int) -> dict[str, int]:
    """The locks with this one; past the bound those that end first are forgotten."""
    kept = {**locks, target: until}
    names = sorted(kept, key=lambda name: (kept[name], name))
    gone = names[: max(0, len(names) - TARGETS_MAX)]
    return {name: ends for name, ends in kept.items() if name not in gone}
