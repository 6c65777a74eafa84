"""Lets only commands pass that the processor signed, for their topic and key, in time, as they are
read here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.codec.framing import Codec
from schemas.records import Command
from streams.executor.dispatcher import CommandRefusal, Gate, Headers
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError
from streams.signing.verifier import SIGNED, Origin, Refused, verify


def gate_of(
    keys: Mapping[str, Ed25519PublicKey],
    codec: Codec,
    origin: Origin,
    scheme_1_until_ms: int | None = None,
    topic_prefix: str = "",
) -> Gate:
    """keys: the public keys to trust, by their ids. Tokens and repetition are the target's to
    judge.

    codec: that decodes the commands; origin: whose they are to be; scheme_1_until_ms: as `verify`
    has it; topic_prefix: of the topics at Kafka, whose names are signed.
    """

    def gate(
        topic: str, key: bytes | None, value: bytes, headers: Headers, command: Command
    ) -> CommandRefusal | None:
        fields = {name: getattr(command, name) for name in (*SIGNED, "subject")}
        schema = codec.written_with(type(command).__name__, value)
        try:
            verify(
                f"{topic_prefix}{topic}",
                key,
                value,
                headers,
                fields,
                keys,
                now_ms(),
                origin,
                schema,
                scheme_1_until_ms,
            )
        except Refused as refused:
            # What has expired is the processor's own, so whoever carries commands out answers it.
            return None if refused.reason == "EXPIRED" else refused
        return None

    return gate


def until_ms(written: str) -> int | None:
    """The moment from which scheme 1 alone is refused, ms; None: never. Raises MendstreamError for
    what is no moment.
    """
    if not written:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise MendstreamError(
            f"MENDSTREAM_SIGNATURE_1_UNTIL is {written!r}, which is no moment.",
            "Write it as 2027-01-31T00:00:00Z.",
        ) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
