"""The share steps of ramped pairs and when they begin, as arrays that compiled code reads; they are
worked out, never stored.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_SLOT = -1  # in column `ramp_slot` of the arms: the pair is not ramped, or nothing is known of it
_FIRST_CAPACITY = 64
_FIRST_SLOTS = 16
_FIRST_STEPS = 4
_NEVER = np.iinfo(np.int64).max
_SLOT = np.dtype([("first", "i8"), ("steps", "i8")])
_STEP = np.dtype([("share", "f8"), ("treatment", "i8"), ("control", "i8"), ("terms", "i8")])


class RampSlot(Protocol):
    """Where the steps of one pair stand."""

    first: int
    steps: int


class RampStep(Protocol):
    """One share step of a pair.

    share: the treatment's of the two arms, outside of (0, 1) where none is known. treatment,
    control: rows of the arms, -1 where an arm has none yet. terms: row of the log terms.
    """

    share: float
    treatment: int
    control: int
    terms: int


class RampSlots(Protocol):
    def __getitem__(self, slot: int, /) -> RampSlot: ...


class RampSteps(Protocol):
    def __getitem__(self, step: int, /) -> RampStep: ...


class Ramps(NamedTuple):
    """What compiled code sees.

    slots: by `ramp_slot`. steps: those of a slot one after the other. log_terms: (shares, width), a
    row for each distinct share. counted: (2, as many as a pair has steps, or more), to work in.
    """

    slots: RampSlots
    steps: RampSteps
    log_terms: Floats
    counted: Floats


class NewStep(NamedTuple):
    """A share step as it is put. log_terms: (width,), a function of the share alone."""

    share: float
    treatment: int
    control: int
    log_terms: Floats


class RampTable:
    """The steps of pairs, in arrays that grow by doubling; fetch `arrays` anew after `put` and
    `clear`.

    A pair whose steps become more moves to the end. What it leaves behind is used again once the
    array is full and half of it is left behind, so there are at most four times as many steps as
    are in use.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self.clear()

    def clear(self) -> None:
        """Forgets all pairs."""
        self._slots: NDArray[Any] = np.zeros(_FIRST_CAPACITY, _SLOT)
        self._steps: NDArray[Any] = np.zeros(_FIRST_CAPACITY, _STEP)
        self._log_terms = np.zeros((_FIRST_CAPACITY, self._width))
        self._slots_used = self._steps_used = 0
        self._terms: dict[float, int] = {}
        self._counted = np.zeros((2, _FIRST_CAPACITY))

    def __len__(self) -> int:
        return self._slots_used

    @property
    def arrays(self) -> Ramps:
        return Ramps(self._slots, self._steps, self._log_terms, self._counted)

    def put(self, slot: int, steps: Sequence[NewStep]) -> int:
        """Puts the steps of a pair, into a new slot where it has NO_SLOT; returns the slot."""
        if slot == NO_SLOT:
            slot = self._slots_used
            self._slots = _longer(self._slots, slot + 1)
            self._slots_used += 1
            self._slots[slot] = (self._steps_used, 0)
        if len(steps) > self._counted.shape[1]:
            self._counted = np.zeros((2, 2 * len(steps)))
        if len(steps) > self._slots["steps"][slot]:
            self._slots["steps"][slot] = 0
            self._make_room(len(steps))
            self._slots["first"][slot] = self._steps_used
            self._steps_used += len(steps)
        first = int(self._slots["first"][slot])
        self._slots["steps"][slot] = len(steps)
        for place, step in enumerate(steps, first):
            terms = self._terms_of(step)
            self._steps[place] = (step.share, step.treatment, step.control, terms)
        return slot

    def _terms_of(self, step: NewStep) -> int:
        number = self._terms.setdefault(step.share, len(self._terms))
        if number == len(self._terms) - 1:
            self._log_terms = _longer(self._log_terms, number + 1)
            self._log_terms[number] = step.log_terms
        return number

    def _make_room(self, more: int) -> None:
        if self._steps_used + more <= len(self._steps):
            return
        if 2 * int(self._slots["steps"].sum()) <= self._steps_used:
            self._close_up()
        self._steps = _longer(self._steps, self._steps_used + more)

    def _close_up(self) -> None:
        """Moves the steps in use together."""
        steps, self._steps_used = self._steps.copy(), 0
        for slot in range(self._slots_used):
            first, count = self._slots[slot].tolist()
            at = self._steps_used
            self._steps[at : at + count] = steps[first : first + count]
            self._slots["first"][slot] = at
            self._steps_used += count


def _longer(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The values, followed by zeros up to a capacity of at least `size`."""
    capacity = len(values)
    while capacity < size:
        capacity *= 2
    if capacity == len(values):
        return values
    longer = np.zeros((capacity, *values.shape[1:]), values.dtype)
    longer[: len(values)] = values
    return longer


class StepTimes:
    """A row of moments for each experiment, ms, ascending: where each step after the first begins.

    What was assigned before the first step had the first step's shares, so that begins nowhere.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets all of them."""
        self.moments: Ints = np.full((_FIRST_SLOTS, _FIRST_STEPS), _NEVER)
        self._slots: dict[str, int] = {}

    def put(self, experiment: str, begins: Sequence[int]) -> int:
        """Sets the moments of an experiment, by its key; returns its slot."""
        slot = self._slots.setdefault(experiment, len(self._slots))
        self._make_room(slot + 1, len(begins))
        self.moments[slot] = _NEVER
        self.moments[slot, : len(begins)] = begins
        return slot

    def _make_room(self, slots: int, steps: int) -> None:
        have = self.moments.shape
        wanted = [_doubled(size, least) for size, least in zip(have, (slots, steps), strict=True)]
        if wanted != list(have):
            larger = np.full(wanted, _NEVER)
            larger[: have[0], : have[1]] = self.moments
            self.moments = larger


def _doubled(size: int, least: int) -> int:
    while size < least:
        size *= 2
    return size


@compiled
def step_at(moments: Ints, slot: int, moment: int) -> int:
    """The step that a moment lies in, from 0 on."""
    step = 0
    while step < moments.shape[1] and moments[slot, step] <= moment:
        step += 1
    return step
