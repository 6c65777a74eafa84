"""A consumer group of static members with the eager range protocol: a change takes everything back,
then gives anew.
"""

from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from streams.kafka.memory.log import TopicPartitionKey


@dataclass(frozen=True, slots=True)
class Metadata:
    """The identity that a consumer gives when its offsets are committed in a transaction."""

    group: str
    instance: str
    member: int
    generation: int


@dataclass(slots=True)
class GroupMember:
    """number: which client it is; another client of the same instance takes its place and fences
    it.
    """

    number: int
    joined: bool = False  # in the rebalance under way: it gave everything back and waits
    places: tuple[int, ...] = ()


@dataclass(slots=True)
class Group:
    """partitions: of every subscribed topic, the same numbers; members by instance id."""

    name: str
    partitions: int = 0
    generation: int = 0
    rebalancing: bool = False
    members: dict[str, GroupMember] = field(default_factory=dict)
    offsets: dict[TopicPartitionKey, int] = field(default_factory=dict)
    pending: dict[str, dict[TopicPartitionKey, int]] = field(
        default_factory=dict
    )  # transactional id -> offsets not committed yet

    def join(self, instance: str, number: int) -> None:
        """A client comes; one that takes the place of a static member changes nothing for the
        others.
        """
        known = self.members.get(instance)
        if known is None:
            self.members[instance] = GroupMember(number)
            self._rebalance()
        else:
            known.number = number

    def expire(self, instance: str) -> None:
        """The session of a member ran out."""
        del self.members[instance]
        self._rebalance()

    def member(self, instance: str, number: int) -> GroupMember | None:
        """The member that a client is; None if its session ran out. KafkaException if another took
        its place.
        """
        member = self.members.get(instance)
        if member is not None and member.number != number:
            raise fenced(KafkaError.FENCED_INSTANCE_ID)
        return member

    def rejoin(self, member: GroupMember) -> None:
        """The member gave everything back; once all did, a new generation begins, and each has its
        places.
        """
        member.joined = True
        if all(other.joined for other in self.members.values()):
            self._assign()

    def _rebalance(self) -> None:
        self.rebalancing = True
        for member in self.members.values():
            member.joined = False

    def _assign(self) -> None:
        self.generation += 1
        self.rebalancing = False
        each, more = divmod(self.partitions, len(self.members))
        first = 0
        for rank, name in enumerate(sorted(self.members)):
            count = each + (rank < more)
            self.members[name].places = tuple(range(first, first + count))
            first += count

    def check(self, said: Metadata) -> None:
        """Raises KafkaException unless offsets may be committed for whoever said this."""
        member = self.members.get(said.instance)
        if member is None:
            raise abortable(KafkaError.UNKNOWN_MEMBER_ID)
        if member.number != said.member:
            raise fenced(KafkaError.FENCED_INSTANCE_ID)
        if said.generation != self.generation:
            raise abortable(KafkaError.ILLEGAL_GENERATION)


def fenced(code: int) -> KafkaException:
    return KafkaException(KafkaError(code, "another took this one's place", True, False, False))


def abortable(code: int) -> KafkaException:
    return KafkaException(
        KafkaError(code, "the transaction cannot be committed", False, False, True)
    )
