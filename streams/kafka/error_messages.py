"""Kafka's errors as sentences: what each means to the person who started us."""

from confluent_kafka import KafkaError

from schemas.catalog import JOURNAL
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

REMEDY = (
    "`mendstream topics acls` lists the rights of each role; with --create an administrator "
    "grants them."
)
_AUTH = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_FENCED = {
    KafkaError._FENCED,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
}
DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
# A batch that is damaged: asking again gives the same bytes. Behind one librdkafka may take
# anything for a batch.
UNREADABLE = {
    KafkaError._BAD_MSG,
    KafkaError._BAD_COMPRESSION,
    KafkaError._NOT_IMPLEMENTED,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
}


class LastClientError:
    """The last thing that librdkafka said went wrong; a time-out alone does not tell an absent
    broker from a refusal.
    """

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if not self.refused() and not (self.error and error.code() == KafkaError._ALL_BROKERS_DOWN):
            self.error = error

    def refused(self) -> bool:
        """True if Kafka answered and refused our name or password."""
        return self.error is not None and self.error.code() in _AUTH


def principal(settings: Settings) -> str:
    """Whom Kafka takes us for, as a person knows it."""
    if settings.security_protocol.startswith("SASL"):
        return repr(settings.sasl_username)
    return (
        f"the owner of {settings.ssl_certificate_location}"
        if settings.ssl_certificate_location
        else "ANONYMOUS"
    )


def transactional_prefix(group: str) -> str:
    """Returns how the transactional ids of a group's workers begin, which a right may name."""
    return transactional_id(group, "")


def transactional_id(group: str, slot: str) -> str:
    """Returns the transactional id of one worker of a group.

    >>> transactional_id("mendstream", "worker-1")
    'mendstream-worker-1'
    """
    return f"{group}-{slot}"


def begin_anew(settings: Settings) -> str:
    """Returns a sentence that says how to go on without what is lost.

    The topics of a prefix are the same for every group, so a group of another name alone would find
    the old tables.
    """
    return (
        f"begin anew: stop all workers, delete {settings.topic(JOURNAL)} and all "
        f"{settings.topic('tables.*.v1')}, run `mendstream topics create`, and start with a "
        "--group that was never used; it judges again what the inputs still hold. Or leave "
        "everything as it is, and let workers and all who write to them go on under a new "
        "--topic-prefix: there nothing is known of what was."
    )


def ended(error: KafkaError, settings: Settings) -> str:
    """Returns a sentence that says why Kafka ended a worker.

    Of an error that is not known it repeats what the client says.
    """
    if error.code() not in _FENCED:
        return str(error)
    return (
        f"another worker of group {settings.group!r} has taken slot {settings.slot!r} over: it is "
        "this one started again, or "
        "two have one slot; give each its own (--slot, MENDSTREAM_SLOT)"
    )


def explained(
    error: KafkaError | None, settings: Settings, topic: str | None = None, group: str | None = None
) -> MendstreamError:
    """Returns what a Kafka error means to the person who started us.

    topic, group: of what Kafka said it, where that is known.
    """
    code, said = (error.code(), error.str()) if error is not None else (None, "")
    if code in _AUTH:
        return MendstreamError(
            f"Kafka at {settings.bootstrap} refused the name or password of "
            f"{settings.sasl_username!r}.",
            "Set MENDSTREAM_SASL_USERNAME and MENDSTREAM_SASL_PASSWORD.",
        )
    if code in DENIED:
        resource = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"topic {settings.topic(topic)}"
            if topic
            else said,
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ group {group or settings.group}",
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "WRITE transactional id "
            f"{transactional_id(settings.group, settings.slot)}",
        }.get(code, said)
        return MendstreamError(
            f"Kafka at {settings.bootstrap} denies {principal(settings)} this: {resource}.", REMEDY
        )
    if code == KafkaError._INVALID_ARG:
        return MendstreamError(
            f"The settings do not make a connection: {said}.", "See `mendstream config`."
        )
    if code == KafkaError._SSL or "SSL routines" in said:
        return MendstreamError(
            f"Kafka at {settings.bootstrap} and Mendstream do not agree on TLS: {said}.",
            "Set MENDSTREAM_SSL_CA_LOCATION to the authority of Kafka's certificate, and where "
            "Kafka wants ours, "
            "MENDSTREAM_SSL_CERTIFICATE_LOCATION and MENDSTREAM_SSL_KEY_LOCATION.",
        )
    if code in (
        None,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
    ):
        return MendstreamError(
            f"No Kafka answers at {settings.bootstrap}.",
            "Start one (`mendstream dev` brings its own) or set MENDSTREAM_BOOTSTRAP; "
            "MENDSTREAM_SECURITY_PROTOCOL must be "
            f"what it speaks there, not {settings.security_protocol} if that is something else.",
        )
    return MendstreamError(f"Kafka at {settings.bootstrap} says: {error}.", "See the broker's log.")


def unreadable(error: KafkaError, topic: str, partition: int, offset: int) -> MendstreamError:
    """Returns what a damaged batch means to the person who started us.

    offset: where reading was to go on.
    """
    return MendstreamError(
        f"{topic}/{partition} cannot be read from offset {offset} on: {error.str()}.",
        "Look at the brokers' disks and logs. If the records are lost on every replica, stop the "
        "workers and run "
        f"`mendstream skip {topic} {partition} {offset} --by YOU --why WHY`, with --to for more "
        "than one.",
    )
