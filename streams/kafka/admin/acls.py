"""Who may do what at Kafka: the rights of each role, derived from the topics, and their making.

Write and Read imply Describe, and Write on any topic implies IdempotentWrite (Kafka 3.0 and later),
so neither is listed beside them. What no right allows is denied: Kafka must run with an authorizer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.catalog import (
    ALERTS,
    BROADCASTS,
    COMMANDS,
    DEAD_LETTERS,
    INPUTS,
    JOURNAL,
    OUTCOMES,
    POLICIES,
    RECOMMENDATIONS,
    REDRIVES,
    REQUESTS,
    REVIEWS,
    SPECS,
    TOPICS,
    Writer,
)
from streams.kafka.admin_types import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from streams.kafka.error_messages import explained, transactional_id, transactional_prefix
from streams.kafka.reading import READER
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

Kind = Literal["TOPIC", "GROUP", "TRANSACTIONAL_ID"]
Pattern = Literal["LITERAL", "PREFIXED"]
RoleName = Literal[
    "processor",
    "producer",
    "recommender",
    "deployer",
    "executor",
    "operator",
    "approver",
    "redriver",
    "gateway",
    "viewer",
    "auditor",
]
Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]
# An approval is said anew by whoever means it: who brings letters back must not be able to approve.
REDRIVABLE = (*(topic for topic in INPUTS if topic != REVIEWS), POLICIES)
REDRIVE_SLOT = "dead-letters-redrive"
# In their records a field says which person it was. Where a gateway writes it out of a verified
# token, nobody else may write it as he likes; processors send strays home all the same.
PERSONS_WORDS = (REQUESTS, REVIEWS)
_KNOWS_PERSONS: tuple[RoleName, ...] = ("gateway", "processor")


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on the resources of a name, or of all names with a prefix."""

    operation: Operation
    kind: Kind
    name: str
    pattern: Pattern = "LITERAL"


@dataclass(frozen=True, slots=True)
class KafkaRole:
    """The purpose of a principal, with the rights that it needs. rights: from the processor's group
    and the principal's own.
    """

    purpose: str
    rights: Callable[[str, str], list[Right]]


def _on(operation: Operation, topics: Iterable[str]) -> list[Right]:
    return [Right(operation, "TOPIC", name) for name in topics]


def _written_by(writer: Writer) -> list[str]:
    return [topic.name for topic in TOPICS.values() if topic.writer == writer]


def _group(name: str) -> list[Right]:
    return [Right("READ", "GROUP", name)]


def redrive_group(group: str) -> str:
    return f"{group}-redrive"


def executor_group(group: str) -> str:
    return f"{group}-executor"


def _seeing_all(granted: list[Right]) -> list[Right]:
    """With the sight of every topic, which all that check the topics need."""
    seen = {right.name for right in granted if right.kind == "TOPIC"}
    return [*granted, *_on("DESCRIBE", (name for name in TOPICS if name not in seen))]


def _processor(group: str, _own: str) -> list[Right]:
    tables = [
        topic.name
        for topic in TOPICS.values()
        if topic.writer == "processor" and topic.cleanup == "compact"
    ]
    granted = [
        *_on("READ", dict.fromkeys((*INPUTS, *BROADCASTS, *tables, JOURNAL))),
        *_on(
            "WRITE", dict.fromkeys((*INPUTS, *_written_by("processor")))
        ),  # inputs too: it sends strays home
        *_group(group),
        *_group(READER),
        Right("WRITE", "TRANSACTIONAL_ID", transactional_prefix(group), "PREFIXED"),
    ]
    return [
        *_seeing_all(granted),
        *_on("DESCRIBE_CONFIGS", TOPICS),
    ]  # to refuse topics that would lose records


def _producer(_group: str, _own: str) -> list[Right]:
    return _on("WRITE", _written_by("producer"))


def _recommender(_group: str, _own: str) -> list[Right]:
    return _on("WRITE", _written_by("recommender"))


def _deployer(_group_: str, own: str) -> list[Right]:
    return [
        *_on("READ", COMMANDS.values()),
        *_on("WRITE", _written_by("deployer")),
        *_group(own),
        *_group(READER),
    ]


def _executor(group: str, _own: str) -> list[Right]:
    return [*_deployer(group, executor_group(group)), *_on("READ", (ALERTS,))]


def _operator(_group_: str, _own: str) -> list[Right]:
    return [*_on("WRITE", _written_by("operator")), *_on("READ", TOPICS), *_group(READER)]


def _approver(_group_: str, _own: str) -> list[Right]:
    return [*_on("WRITE", _written_by("approver")), *_on("READ", TOPICS), *_group(READER)]


def _redriver(group: str, _own: str) -> list[Right]:
    granted = [
        *_on("READ", (DEAD_LETTERS, REDRIVES)),
        *_on("WRITE", (*REDRIVABLE, *_written_by("redriver"))),  # wherever a letter came from
        *_group(redrive_group(group)),
        *_group(READER),
        Right("WRITE", "TRANSACTIONAL_ID", transactional_id(group, REDRIVE_SLOT)),
    ]
    return _seeing_all(granted)


def _gateway(_group_: str, _own: str) -> list[Right]:
    """Dead letters too: their reasons are what the gateway answers with, and it keeps no bytes of
    them.
    """
    written = (REQUESTS, REVIEWS, SPECS, POLICIES, RECOMMENDATIONS, OUTCOMES)
    return [*_on("WRITE", written), *_on("READ", TOPICS), *_group(READER)]


def _viewer(group: str, _own: str) -> list[Right]:
    granted = [
        *_on(
            "READ", (name for name in TOPICS if name != DEAD_LETTERS)
        ),  # whose bytes nobody has vouched for
        Right("DESCRIBE", "GROUP", group),
        *_group(READER),
    ]
    return [*_seeing_all(granted), *_on("DESCRIBE_CONFIGS", TOPICS)]


def _auditor(group: str, own: str) -> list[Right]:
    return [
        *_on("READ", TOPICS),
        *_on("DESCRIBE_CONFIGS", TOPICS),
        Right("DESCRIBE", "GROUP", group),
        *_group(own),
        *_group(READER),
    ]


ROLES: dict[RoleName, KafkaRole] = {
    "processor": KafkaRole(
        "decides: reads inputs, writes everything that follows in transactions", _processor
    ),
    "producer": KafkaRole("publishes results and metrics, reads nothing", _producer),
    "recommender": KafkaRole("publishes recommendations, reads nothing", _recommender),
    "deployer": KafkaRole("reads commands, reports their status", _deployer),
    "executor": KafkaRole("`mendstream executor`: a deployer that tells of alerts too", _executor),
    "operator": KafkaRole(
        "applies specs and policies, asks for commands, judges recommendations, reads everything",
        _operator,
    ),
    "approver": KafkaRole(
        "approves and rejects commands that wait for a person, reads everything", _approver
    ),
    "redriver": KafkaRole(
        "writes dead letters back to where they came from, with `mendstream redrive`", _redriver
    ),
    "gateway": KafkaRole(
        "`mendstream gateway`: reads everything, writes what the persons of verified tokens say",
        _gateway,
    ),
    "viewer": KafkaRole(
        "a Kafka UI: reads all but dead letters, sees the lag, writes nothing", _viewer
    ),
    "auditor": KafkaRole("reads everything in a group of its own, writes nothing", _auditor),
}


def rights(
    role: RoleName, settings: Settings, own_group: str, beside_gateway: bool = False
) -> list[Right]:
    """The rights of a role; `own_group` is the consumer group of the roles that have one of their
    own. beside_gateway: without those that a gateway takes over, see `taken_over`.
    """
    if own_group in (
        settings.group,
        redrive_group(settings.group),
        executor_group(settings.group),
        READER,
    ):
        raise MendstreamError(
            f"The group {own_group!r} is Mendstream's own: whoever joins it takes partitions from "
            "the processors.",
            "Name another with --own-group.",
        )
    granted = ROLES[role].rights(settings.group, own_group)
    taken = taken_over(role) if beside_gateway else []
    kept = [right for right in granted if right not in taken]
    seen = {right.name for right in kept if right.kind == "TOPIC"}
    # Writing a topic implied its sight, which who checks the topics needs.
    return kept + _on("DESCRIBE", (right.name for right in taken if right.name not in seen))


def taken_over(role: RoleName) -> list[Right]:
    """The rights of a role that let it write a person's name as it likes, and that nobody but a
    gateway is to have where one runs.
    """
    if role in _KNOWS_PERSONS:
        return []
    granted = ROLES[role].rights("", "")
    return [right for right in _on("WRITE", PERSONS_WORDS) if right in granted]


def at_kafka(granted: Iterable[Right], settings: Settings) -> list[Right]:
    """Rights as Kafka has them: to topics of the names that they have there."""
    return [
        replace(right, name=settings.topic(right.name)) if right.kind == "TOPIC" else right
        for right in granted
    ]


def create(
    client: AdminClient, settings: Settings, principal: str, granted: Iterable[Right]
) -> None:
    """Creates the ACLs that are missing; those that are there stay. Raises MendstreamError where
    Kafka refuses.
    """
    bindings = [_binding(right, principal) for right in at_kafka(granted, settings)]
    for future in client.create_acls(bindings).values() if bindings else ():
        try:
            future.result()
        except KafkaException as error:
            raise explained(error.args[0], settings) from error


def withdraw(
    client: AdminClient, settings: Settings, principal: str, taken: Iterable[Right]
) -> int:
    """Removes the ACLs that allow a principal these rights; returns how many there were. Raises
    MendstreamError where Kafka refuses.
    """
    filters = [_filter(right, principal) for right in at_kafka(taken, settings)]
    removed = 0
    for future in client.delete_acls(filters).values() if filters else ():
        try:
            removed += len(future.result())
        except KafkaException as error:
            raise explained(error.args[0], settings) from error
    return removed


def _filter(right: Right, principal: str) -> AclBindingFilter:
    return AclBindingFilter(*_described(right, principal))


def _binding(right: Right, principal: str) -> AclBinding:
    return AclBinding(*_described(right, principal))


def _described(right: Right, principal: str) -> tuple[Any, ...]:
    """A right as Kafka's client describes it."""
    return (
        ResourceType[right.kind],
        right.name,
        ResourcePatternType[right.pattern],
        principal,
        "*",
        AclOperation[right.operation],
        AclPermissionType.ALLOW,
    )
