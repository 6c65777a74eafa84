"""Command records as the emitter writes them, and what the verifier says of them once something was
changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agents.core.effects import Output
from schemas.catalog import COMMANDS
from schemas.records import Command, Evidence, RollbackCommand
from streams.engine.outbox import Emitter
from streams.engine.transaction import Outbox
from streams.signing.signer import Signer
from streams.signing.verifier import Refused, key_id, verify
from tests.support.builders import CODEC, NOON, ONE

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ROLLBACK = RollbackCommand(
    command_id="5e1f",
    subject="größe/bot",
    target="größe/bot/production",
    variant="b",
    reason="b is harmed",
    evidence=(
        Evidence(
            topic="experiments.results.v1",
            partition=0,
            first_offset=0,
            last_offset=9,
            metric="conversion",
            estimate=-0.1,
            low=-0.2,
            high=-0.05,
            log_e=4.0,
            count=10,
        ),
    ),
    decision_id="d",
    fencing_token=3,
    issued_at=NOON,
    expires_at=NOON + 3_600_000,
)


@dataclass(frozen=True)
class Sent:
    """A command's record as a consumer gets it, and what its value decodes to."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | str | None], ...]
    command: Mapping[str, Any]

    def saying(self, **fields: Any) -> "Sent":
        """With other fields in what the deployer decoded."""
        return replace(self, command={**self.command, **fields})

    def headed(self, name: str, text: bytes) -> "Sent":
        """With another text in one header."""
        return replace(
            self, headers=tuple((each, text if each == name else old) for each, old in self.headers)
        )


def sent(
    record: Command = ROLLBACK, order: str = "ROLLBACK", key: Ed25519PrivateKey | None = KEY
) -> Sent:
    """What the emitter writes of a command; without a key it is not signed."""
    outbox = Outbox()
    output = Output(COMMANDS[order], record.subject, "event", record, NOON)
    Emitter(CODEC, "mendstream/test", ONE, Signer(key) if key else None).output(output, outbox)
    ((topic, _, written, value, headers),) = outbox.records
    assert isinstance(written, str)
    assert value is not None
    return Sent(
        topic, written.encode(), value, tuple(headers), CODEC.read(type(record).__name__, value)
    )


def trusted(*keys: Ed25519PrivateKey) -> dict[str, Ed25519PublicKey]:
    publics = [each.public_key() for each in keys or (KEY,)]
    return {key_id(each.public_bytes_raw()): each for each in publics}


def refusal(
    record: Sent, keys: Mapping[str, Ed25519PublicKey] | None = None, now_ms: int = NOON
) -> str:
    """Why the verifier refuses a record; empty where it does not."""
    known = trusted() if keys is None else keys
    try:
        verify(
            record.topic, record.key, record.value, record.headers, record.command, known, now_ms
        )
    except Refused as refused:
        return refused.reason
    return ""
