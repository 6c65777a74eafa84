"""The tables of failures: what was seen before them, their patterns, and what helped."""

from collections.abc import Mapping
from typing import Protocol

from schemas.catalog import (
    TABLES_FOLLOWUPS,
    TABLES_PATTERNS,
    TABLES_SIGHTINGS,
    TABLES_SIGNALS,
)
from schemas.records import FollowupRow, PatternRow, SightingsRow, SignalRow, TrustLevel
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class TrustReader(Protocol):
    """How far agents are trusted, to look at."""

    @property
    def enabled(self) -> bool:
        """Returns whether anything is learnt at all."""

    def in_force(self) -> Mapping[str, TrustLevel]:
        """The levels that decisions go by, by agent."""


class FailureTables:
    """Holds what the agent of failures owns in one partition.

    sightings: by subject, what its metrics showed lately. followups: by command id. patterns: by
    failure type and segment. signals: by signal. event_time: of the latest failure folded into a
    pattern, ms. dormant: patterns, by the event time at which they are dormant. followup_ends:
    followups, by when they end.

    Read, and owned by others: trust.
    """

    def __init__(self, trust: TrustReader) -> None:
        self.trust = trust
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
        # Worked out anew after a restore, never stored.
        self.event_time = 0
        self.dormant = DeadlineQueue()
        self.followup_ends = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return self.sightings, self.followups, self.patterns, self.signals
