"""Lets only commands pass that the processor signed, for their topic and key, in time."""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.records import Command
from streams.clock import now_ms
from streams.executor.desk import Gate, Headers, Refusal
from streams.verifier import SIGNED, Refused, verify


def gate_of(keys: Mapping[str, Ed25519PublicKey]) -> Gate:
    """keys: the public keys to trust, by their ids. Tokens and repetition are the target's to judge."""

    def gate(topic: str, key: bytes | None, value: bytes, headers: Headers, command: Command) -> Refusal | None:
        fields = {name: getattr(command, name) for name in (*SIGNED, "subject")}
        try:
            verify(topic, key, value, headers, fields, keys, now_ms())
        except Refused as refused:
            # What has expired is the processor's own, so whoever carries commands out answers it.
            return None if refused.reason == "EXPIRED" else refused
        return None

    return gate
