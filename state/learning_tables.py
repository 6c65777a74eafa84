"""The tables of failures, trust and learning of one partition, and what is to be looked at when."""

from collections.abc import Mapping

from schemas.catalog import (
    TABLES_ALERTS,
    TABLES_FOLLOWUPS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_PATTERNS,
    TABLES_RUNS,
    TABLES_SIGHTINGS,
    TABLES_SIGNALS,
    TABLES_TRUST,
    TABLES_TRUST_LEVELS,
)
from schemas.records import (
    AlertRow,
    FollowupRow,
    LearningRow,
    LessonRow,
    PatternRow,
    RunRow,
    SightingsRow,
    SignalRow,
    TrustLevel,
    TrustRow,
)
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class Lessons:
    """Keyed by subject: sightings and followups; by failure type: patterns; by signal: signals; by
    agent: trust; by tenant: runs, lessons and learning; alerts by what they are about.

    levels: the trust of agents of all partitions, a broadcast input whose rows are `heard_levels`;
    enabled: whether anything is learnt at all.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.heard_levels: KeyedTable[TrustLevel] = KeyedTable(
            TABLES_TRUST_LEVELS, "TrustLevel", lambda row: row_key(row.agent_id)
        )
        self.levels: dict[str, TrustLevel] = {}
        self.sightings: KeyedTable[SightingsRow] = KeyedTable(
            TABLES_SIGHTINGS,
            "SightingsRow",
            lambda row: row_key(row.subject),
            leaves=row_expiry.sightings,
        )
        self.followups: KeyedTable[FollowupRow] = KeyedTable(
            TABLES_FOLLOWUPS, "FollowupRow", lambda row: row.command_id, lambda row: row.subject
        )
        self.patterns: KeyedTable[PatternRow] = KeyedTable(
            TABLES_PATTERNS, "PatternRow", lambda row: row.pattern, leaves=row_expiry.pattern
        )
        self.signals: KeyedTable[SignalRow] = KeyedTable(
            TABLES_SIGNALS, "SignalRow", lambda row: row_key(row.signal), leaves=row_expiry.signal
        )
        self.trust: KeyedTable[TrustRow] = KeyedTable(
            TABLES_TRUST, "TrustRow", lambda row: row_key(row.agent_id), leaves=row_expiry.trust
        )
        self.runs: KeyedTable[RunRow] = KeyedTable(
            TABLES_RUNS, "RunRow", lambda row: row_key(row.tenant, row.run_id)
        )
        self.lessons: KeyedTable[LessonRow] = KeyedTable(
            TABLES_LESSONS,
            "LessonRow",
            lambda row: row_key(row.tenant, row.category, row.name),
            lambda row: row.tenant,
            row_expiry.lesson,
        )
        self.learning: KeyedTable[LearningRow] = KeyedTable(
            TABLES_LEARNING,
            "LearningRow",
            lambda row: row_key(row.tenant),
            leaves=row_expiry.learning,
        )
        self.alerts: KeyedTable[AlertRow] = KeyedTable(
            TABLES_ALERTS, "AlertRow", alert_key, leaves=row_expiry.alert
        )
        # Worked out anew when rows were restored.
        self.event_time = 0  # of the latest failure folded into a pattern
        self.quiet = DeadlineQueue()  # patterns, by the event time at which they are dormant
        self.stale = DeadlineQueue()  # trust rows, by when they are to be refreshed
        self.open = DeadlineQueue()  # followups, by when they end
        self.kept = DeadlineQueue()  # runs, by when they go
        self.cycles = DeadlineQueue()  # tenants, by when a learning cycle is due
        self.broken = DeadlineQueue()  # alerts, by when a broken rule has lasted

    def heard(self) -> Mapping[str, TrustLevel]:
        """The levels that decisions go by: none where nothing is learnt, so that every boost is
        0.
        """
        return self.levels if self.enabled else {}

    def all(self) -> Mapping[str, Table]:
        tables: tuple[Table, ...] = (
            self.sightings,
            self.followups,
            self.patterns,
            self.signals,
            self.trust,
            self.runs,
            self.lessons,
            self.learning,
            self.alerts,
            self.heard_levels,
        )
        return {table.topic: table for table in tables}


def alert_key(row: AlertRow) -> str:
    """The key of an alert's row: rule and thing, and of a command's end what it is about."""
    return row_key(row.rule, row.key, row.about) if row.about else row_key(row.rule, row.key)
