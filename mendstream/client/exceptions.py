"""What can go wrong, as exceptions and as sentences for people, with what would end it."""

from confluent_kafka import KafkaError

from mendstream.client.connection import Connection
from schemas.codec.framing import Record

_SHOWN = 3  # records that a sentence names; all of them are in the exception
_AWAY = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
)
_UNKNOWN_TOPIC = (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART)
_REFUSED = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)
_DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class ClientError(Exception):
    """Something outside of the program is wrong. Every exception of this package is one."""


class InvalidRecord(ClientError, ValueError):
    """A record that the processor would refuse, told before it was sent.

    reason: the processor's code for it, as a dead letter would have it.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Undelivered(ClientError):
    """One record that Kafka did not acknowledge.

    event_id: its own; with the same one it can be sent again, also where it did arrive. topic: its
    name at Kafka. reason: Kafka's name of the error, or QUEUE_FULL. record: what was to be sent.
    """

    def __init__(
        self, event_id: str, topic: str, reason: str, sentence: str, record: Record
    ) -> None:
        super().__init__(f"{event_id} was not delivered to {topic}: {sentence}")
        self.event_id, self.topic, self.reason, self.record = event_id, topic, reason, record


class DeliveryFailed(ClientError):
    """Records that Kafka did not acknowledge, in the order in which that became known."""

    def __init__(self, undelivered: tuple[Undelivered, ...]) -> None:
        more = len(undelivered) - _SHOWN
        said = "; ".join(str(each) for each in undelivered[:_SHOWN])
        super().__init__(said + (f"; and {more} more" if more > 0 else ""))
        self.undelivered = undelivered


class FlushTimedOut(ClientError, TimeoutError):
    """Records that are neither delivered nor given up yet; they are still being tried.

    pending: their event ids, the oldest first.
    """

    def __init__(self, pending: tuple[str, ...], seconds: float, bootstrap: str, why: str) -> None:
        shown = ", ".join(pending[:_SHOWN])
        more = f" and {len(pending) - _SHOWN} more" if len(pending) > _SHOWN else ""
        super().__init__(
            f"Kafka at {bootstrap} has not acknowledged {len(pending)} records within "
            f"{seconds:g} s ({shown}{more}){why}; they are still being tried: flush again, or "
            "close, which gives them up and names them."
        )
        self.pending = pending


class LastError:
    """The last thing that librdkafka said went wrong; a time-out alone does not say why."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        said_more = self.error is not None and error.code() == KafkaError._ALL_BROKERS_DOWN
        if not said_more:
            self.error = error


def told(sentence: str) -> str:
    """A sentence that stands by itself.

    >>> told("no Kafka answers")
    'No Kafka answers.'
    """
    return f"{sentence[:1].upper()}{sentence[1:]}."


def sentence_of(
    error: KafkaError,
    connection: Connection,
    topic: str,
    size: int = 0,
    delivery_seconds: float = 0.0,
) -> str:
    """What an error means. size: bytes of the record that it is about; delivery_seconds: for which
    it was tried.
    """
    where, code = f"Kafka at {connection.bootstrap}", error.code()
    if code in _AWAY:
        return (
            f"no Kafka answers at {connection.bootstrap} ({error.str()}): start it, or "
            "name another in bootstrap"
        )
    if code == KafkaError._MSG_TIMED_OUT:
        return f"{where} did not acknowledge it within {delivery_seconds:g} s"
    if code in _UNKNOWN_TOPIC:
        return (
            f"{where} has no topic {topic}, or none that may be seen: run `mendstream topics "
            "create`, or give the installation's topic_prefix"
        )
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return (
            f"its {size} bytes are more than {where} takes: see max.message.bytes of {topic}, and "
            "message.max.bytes of this program"
        )
    if code in _REFUSED:
        return f"{where} refused the name or password ({error.str()})"
    if code in _DENIED:
        return (
            f"{where} denies this program {topic} ({error.str()}): `mendstream topics acls` lists "
            "the rights of each role"
        )
    if code in _PURGED:
        return (
            f"it was given up when the program closed, before {where} acknowledged it; it may have "
            "arrived, so send it again with the same event_id"
        )
    return f"{where} says: {error.str()}"
