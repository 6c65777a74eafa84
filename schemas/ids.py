"""Names that are the same wherever they are worked out: event ids, partitions, digests.

Programs that only send or obey import it, so it needs nothing but Python.
"""

import hashlib
from uuid import UUID, uuid5

_NAMESPACE = UUID("6d656e64-7374-5265-a16d-2d6576656e74")
DEFAULT_TENANT = "default"
JOINER = "/"  # between tenant and line, and between a subject and an environment
_MASK32 = 0xFFFFFFFF
_M32 = 0x5BD1E995


def event_uuid(*parts: str | int) -> str:
    """A UUID of the parts; other parts, another order or an int in place of its text give another
    UUID.

    >>> event_uuid("a", "bc") == event_uuid("ab", "c")
    False
    """
    tagged = ((f"i{part}" if isinstance(part, int) else f"s{part}") for part in parts)
    return str(uuid5(_NAMESPACE, "".join(f"{len(text)}:{text}" for text in tagged)))


def decision_id(topic: str, partition: int, offset: int, agent: str, ordinal: str) -> str:
    """The id of an agent's decision on one input record; `ordinal` tells several on the same record
    apart.
    """
    return event_uuid("decision", topic, partition, offset, agent, ordinal)


def command_id(decision: str, order: str) -> str:
    """The id of the command that a decision gives; the same for all its attempts."""
    return event_uuid("command", decision, order)


def tenant_of(name: str) -> str:
    """The tenant of a subject or an agent.

    >>> tenant_of("acme/support-bot"), tenant_of("support-bot")
    ('acme', 'default')
    """
    tenant, slash, _ = name.partition(JOINER)
    return tenant if slash else DEFAULT_TENANT


def target_of(subject: str, environment: str) -> str:
    """Returns the target of a subject's commands in an environment.

    No other subject's target has that name, because an environment holds no slash.

    >>> target_of("acme/support-bot", "production")
    'acme/support-bot/production'
    """
    return f"{subject}{JOINER}{environment}"


def environment_of(subject: str, target: str) -> str:
    """The environment of a subject's target.

    >>> environment_of("acme/support-bot", "acme/support-bot/production")
    'production'
    """
    return target.removeprefix(f"{subject}{JOINER}")


def digest_of(text: str) -> str:
    """Sixteen hexadecimal digits by which equal texts are known; blanks around and between words do
    not count.

    >>> digest_of("roll  back ") == digest_of("roll back")
    True
    """
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).hexdigest()


def digest_of_bytes(data: bytes) -> str:
    """SHA-256 in 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def murmur2(key: bytes) -> int:
    """Kafka's hash of a key: a signed 32-bit int, equal to
    org.apache.kafka.common.utils.Utils.murmur2.
    """
    length = len(key)
    h = (0x9747B28C ^ length) & _MASK32
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M32 & _MASK32
        k = (k ^ k >> 24) * _M32 & _MASK32
        h = (h * _M32 & _MASK32) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M32 & _MASK32
    h = (h ^ h >> 13) * _M32 & _MASK32
    h ^= h >> 15
    return h - (1 << 32) if h >> 31 else h


def partition_of(subject: str, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return (murmur2(subject.encode()) & 0x7FFFFFFF) % partitions
