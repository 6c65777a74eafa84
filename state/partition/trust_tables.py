"""The tables of trust: what agents' outcomes say of them, and the levels of all partitions."""

from collections.abc import Mapping

from schemas.catalog import TABLES_AGENT_DAYS, TABLES_TRUST, TABLES_TRUST_LEVELS
from schemas.records import AgentDayRow, TrustLevel, TrustRow
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.partition.alert_tables import AlertTables
from state.policies_in_force import Policies
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, day_of, row_key


class TrustTables:
    """Holds what the agent of trust owns in one partition.

    enabled: whether anything is learnt at all. trust: by agent. days: by agent and day.
    accepted_levels: rows of what was
    accepted of the broadcast levels of all partitions; levels: the same by agent. refreshes: rows
    of trust, by when they are to be refreshed.

    Read, and owned by others: policies. alerts: handed to the agent of alerts, which alone looks
    into them.
    """

    def __init__(self, enabled: bool, policies: Policies, alerts: AlertTables) -> None:
        self.enabled = enabled
        self.policies = policies
        self.alerts = alerts
        self.trust: KeyedTable[TrustRow] = KeyedTable(
            TABLES_TRUST, "TrustRow", lambda row: row_key(row.agent_id), leaves=row_expiry.trust
        )
        self.days: KeyedTable[AgentDayRow] = KeyedTable(
            TABLES_AGENT_DAYS,
            "AgentDayRow",
            lambda row: row_key(row.agent_id, day_of(row.day)),
            leaves=row_expiry.agent_day,
        )
        self.accepted_levels: KeyedTable[TrustLevel] = KeyedTable(
            TABLES_TRUST_LEVELS, "TrustLevel", lambda row: row_key(row.agent_id)
        )
        # Worked out anew after a restore, never stored.
        self.levels: dict[str, TrustLevel] = {}
        self.refreshes = DeadlineQueue()

    def replace_levels(self) -> None:
        """Works out the levels by agent, after rows were restored."""
        self.levels = {row.agent_id: row for row in self.accepted_levels.rows()}

    def in_force(self) -> Mapping[str, TrustLevel]:
        """The levels that decisions go by: none where nothing is learnt, so every boost is 0."""
        return self.levels if self.enabled else {}

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return self.trust, self.days, self.accepted_levels
