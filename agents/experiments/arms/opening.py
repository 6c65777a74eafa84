"""Opens the rows that a result needs and that are not there yet, and refuses what there is no room
for.
"""

from dataclasses import dataclass, field

from agents.core.provenance import Provenance
from agents.experiments.arms.arms import Key, open_arm
from agents.experiments.late_results import count_late, count_mixed, is_late
from agents.experiments.plan.frozen_plan import plan
from agents.experiments.plan.name_limits import Room
from agents.experiments.plan.terms import tally_of
from agents.experiments.totals.additions import MIXED_KINDS, Measured, why_senseless
from schemas.records import ExperimentResult, ResultKind
from state.pairs.ramp_table import step_at
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import hash_of_names

Why = tuple[str, str]  # a reason and a sentence


@dataclass(slots=True)
class Rooms:
    """The names of the experiments that were asked for one more lately, and what was answered.

    Worked out from the tables, and true as long as every new name is asked for here.
    """

    tables: ExperimentTables
    _rooms: dict[tuple[str, str], Room] = field(default_factory=dict)
    _told: dict[tuple[str | None, ...], Why | None] = field(default_factory=dict)

    def why_none(self, result: ExperimentResult) -> Why | None:
        """Why there is no room for a result's names; None where there is, or they are known."""
        key = (*names_of(result), result.segment)
        if key not in self._told:
            of = result.subject, result.experiment_id
            if of not in self._rooms:
                self._rooms[of] = Room(self.tables, *of)
            self._told[key] = self._rooms[of].admit(result.metric, result.variant, result.segment)
        return self._told[key]


def names_of(result: ExperimentResult) -> tuple[str, str, str, str]:
    """The names of a result's arm as a whole."""
    return result.subject, result.experiment_id, result.metric, result.variant


def measured_of(result: ExperimentResult) -> Measured:
    """A result's count, sum, squares and covariate, NaN where absent."""
    absent = float("nan")
    squares = absent if result.sum_squares is None else result.sum_squares
    covariate = absent if result.covariate is None else result.covariate
    return Measured(result.count, result.sum, squares, covariate)


@dataclass(frozen=True, slots=True)
class Admittance:
    """What is to be done with a result: why it is refused, None where it is not; whether it is
    late, so that nothing follows from it.
    """

    why: Why | None
    late: bool = False


def enter(result: ExperimentResult, now: int, tables: ExperimentTables, rooms: Rooms) -> Admittance:
    """Whether a result makes sense for its metric, in time, and with room for its names; counts
    what its experiment is to be told of.
    """
    terms = plan(tables, result.subject, result.experiment_id, result.metric)
    snapshot = result.kind == ResultKind.SNAPSHOT
    of_rows = terms.snapshots if terms.begun else None
    why = why_senseless(tally_of(terms.spec), of_rows, snapshot, measured_of(result))
    if why is not None:
        if why[0] == MIXED_KINDS:
            count_mixed(result, now, tables)
        return Admittance(why)
    if is_late(result, terms):
        count_late(result, now, tables)
        return Admittance(None, late=True)
    return Admittance(rooms.why_none(result))


def open_rows(
    result: ExperimentResult, hashed: int, place: Provenance, tables: ExperimentTables
) -> None:
    """Opens the rows of a result that are not there yet: of its arm as a whole, of its segment, of
    its ramp step; hashed: of its arm as a whole.
    """
    row = tables.arms.row_of(hashed)
    if row < 0:
        whole: Key = (*names_of(result), None, None)
        row = open_arm(tables, hashed, whole, place.offset, result.occurred_at, place.now)
    if result.segment is not None:
        row_of((*names_of(result), result.segment, None), result, place, tables)
    if tables.arms.stepped[row]:
        moment = result.occurred_at if result.assigned_at is None else result.assigned_at
        step = step_at(tables.step_times.moments, int(tables.arms.step_times[row]), moment)
        row_of((*names_of(result), None, str(step)), result, place, tables)


def row_of(key: Key, result: ExperimentResult, place: Provenance, tables: ExperimentTables) -> int:
    """The row of these names, opened where there is none."""
    hashed = hash_of_names(key)
    row = tables.arms.row_of(hashed)
    if row >= 0:
        return row
    return open_arm(tables, hashed, key, place.offset, result.occurred_at, place.now)
