"""Says where and when a record is folded: ids and moments of everything that follows from it are
made of that.
"""

from dataclasses import dataclass

from schemas.ids import decision_id
from state.storage.table import row_key


@dataclass(frozen=True, slots=True)
class Provenance:
    """One record of an input; now: the highest append time up to it, ms."""

    topic: str
    partition: int
    offset: int
    now: int

    def event_id(self, agent: str, ordinal: str) -> str:
        """The id of what an agent finds in this record; ordinal tells apart what it finds."""
        return decision_id(self.topic, self.partition, self.offset, agent, ordinal)


def scoped(subject: str, name: str) -> str:
    """The name of what a tenant learns of its failures, by the tenant of a subject; no other
    tenant's can be named so.

    >>> scoped("acme/support-bot", "ACCURACY|error"), scoped("support-bot", "ACCURACY|error")
    ('acme/ACCURACY|error', 'ACCURACY|error')
    >>> scoped("support-bot", "acme/error"), scoped("a|b/bot", "error")
    ('/acme/error', 'a%7Cb/error')
    """
    tenant, slash, _ = subject.partition("/")
    return f"{row_key(tenant)}/{name}" if slash else f"/{name}" if "/" in name else name


def beside(subject: str, name: str) -> str:
    """The name of an agent in the tenant of a subject.

    >>> beside("acme/support-bot", "detector:judge"), beside("support-bot", "detector:judge")
    ('acme/detector:judge', 'detector:judge')
    """
    tenant, slash, _ = subject.partition("/")
    return f"{tenant}/{name}" if slash else name
