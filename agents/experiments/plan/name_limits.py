"""Whether an experiment's rows have room for another name: an id sent as a variant would make a row
without an end.

What has no room opens no row and is refused, record by record in the order of the log; names that
are known go on.
"""

from functools import cached_property

from agents.experiments.plan.frozen_plan import plan_of_experiment
from schemas.row_limits import (
    METRIC_BYTES_MAX,
    METRICS_MAX,
    PAIR_BYTES_MAX,
    PAIRS_MAX,
    SEGMENTS_MAX,
    VARIANTS_MAX,
    bytes_of,
)
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

_Why = tuple[str, str]  # a reason and a sentence
_SHOWN = 40  # characters of a name


class Room:
    """The names of one experiment, and those that were let in since.

    What it costs to make one does not grow with how many names there are: a stranger may have it
    made for each slice.
    """

    def __init__(self, tables: ExperimentTables, subject: str, experiment_id: str) -> None:
        number = tables.index.number(row_key(subject, experiment_id))
        self._row = plan_of_experiment(tables, subject, experiment_id)
        self._arms = tables.index[number] if number is not None else ExperimentArms("")
        self._variants: dict[str, set[str]] = {}
        self._segments: set[tuple[str, str]] = set()  # those let in
        self._segments_count = self._arms.segments

    @cached_property
    def _metrics(self) -> set[str]:
        return {spec.name for spec in self._row.metrics}

    @cached_property
    def _metric_bytes(self) -> int:
        return bytes_of(*self._metrics)

    @cached_property
    def _pairs(self) -> set[tuple[str, str]]:
        stated = {(pair.variant, pair.metric) for pair in self._row.pairs}
        groups = (*self._arms.arms.items(), *self._variants.items())
        return stated | {(variant, metric) for metric, group in groups for variant in group}

    @cached_property
    def _pair_bytes(self) -> int:
        return sum(bytes_of(*pair) for pair in self._pairs)

    def admit(self, metric: str, variant: str, segment: str | None) -> _Why | None:
        """Lets a name in, or says why there is no room for it."""
        variants = self._of(metric)
        why = None
        if metric not in self._metrics:
            why = self._metric(metric)
        if why is None and variant not in variants:
            why = self._variant(metric, variant, len(variants))
        if why is None and segment is not None and not self._knows(metric, segment):
            why = self._segment(segment)
        if why is None:
            self._take(metric, variant, segment)
        return why

    def _take(self, metric: str, variant: str, segment: str | None) -> None:
        if metric not in self._metrics:
            self._metric_bytes += bytes_of(metric)
            self._metrics.add(metric)
        variants = self._of(metric)
        if variant not in variants and (pair := (variant, metric)) not in self._pairs:
            self._pair_bytes += bytes_of(*pair)
            self._pairs.add(pair)
        variants.add(variant)
        if segment is not None and not self._knows(metric, segment):
            self._segments.add((metric, segment))
            self._segments_count += 1

    def _of(self, metric: str) -> set[str]:
        """The variants of a metric."""
        if metric not in self._variants:
            self._variants[metric] = set(self._arms.arms.get(metric, ()))
        return self._variants[metric]

    def _knows(self, metric: str, segment: str) -> bool:
        there = (metric, segment, None) in self._arms.parts
        return there or (metric, segment) in self._segments

    def _metric(self, metric: str) -> _Why | None:
        if (
            len(self._metrics) >= METRICS_MAX
            or self._metric_bytes + bytes_of(metric) > METRIC_BYTES_MAX
        ):
            return (
                "TOO_MANY_METRICS",
                f"metric {metric[:_SHOWN]!r} would be one of more than {METRICS_MAX}, or "
                f"{METRIC_BYTES_MAX} bytes of "
                "names, of its experiment",
            )
        return None

    def _variant(self, metric: str, variant: str, there: int) -> _Why | None:
        if there >= VARIANTS_MAX or not self._has_room((variant, metric)):
            return (
                "TOO_MANY_VARIANTS",
                f"variant {variant[:_SHOWN]!r} would be one of more than {VARIANTS_MAX} of its "
                f"metric, or {PAIRS_MAX} or "
                f"{PAIR_BYTES_MAX} bytes of its experiment: is it an id?",
            )
        return None

    def _has_room(self, pair: tuple[str, str]) -> bool:
        if pair in self._pairs:
            return len(self._pairs) <= PAIRS_MAX and self._pair_bytes <= PAIR_BYTES_MAX
        size = self._pair_bytes + bytes_of(*pair)
        return len(self._pairs) < PAIRS_MAX and size <= PAIR_BYTES_MAX

    def _segment(self, segment: str) -> _Why | None:
        if self._segments_count < SEGMENTS_MAX:
            return None
        sentence = (
            f"segment {segment[:_SHOWN]!r} would be one of more than {SEGMENTS_MAX} of its "
            "experiment: is it an id?"
        )
        return "TOO_MANY_SEGMENTS", sentence
