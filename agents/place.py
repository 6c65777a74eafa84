"""Where and when a record is folded: what ids and moments of everything that follows from it are made of."""

from dataclasses import dataclass

from schemas.ids import decision_id


@dataclass(frozen=True, slots=True)
class Place:
    """One record of an input; now: the highest append time up to it, ms."""

    topic: str
    partition: int
    offset: int
    now: int

    def event_id(self, agent: str, ordinal: str) -> str:
        """The id of what an agent finds in this record; ordinal tells apart what it finds."""
        return decision_id(self.topic, self.partition, self.offset, agent, ordinal)


def beside(subject: str, name: str) -> str:
    """The name of an agent in the tenant of a subject.

    >>> beside("acme/support-bot", "detector:judge"), beside("support-bot", "detector:judge")
    ('acme/detector:judge', 'detector:judge')
    """
    tenant, slash, _ = subject.partition("/")
    return f"{tenant}/{name}" if slash else name
