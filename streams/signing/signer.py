"""Signs commands, so that a deployer can tell the processor's own from those of somebody who can
write to their topics.

Ed25519 draws no chance: a command that is made again from the log gets the same signature.
"""

import base64
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from schemas.catalog import schema_text
from schemas.records import Command
from streams.kafka.reading import admin
from streams.runtime.errors import MendstreamError, cannot_read, cannot_write
from streams.runtime.settings import Settings
from streams.signing.verifier import (
    KEY_ID,
    SIGNATURE,
    SIGNATURE_2,
    SIGNED,
    Origin,
    fingerprint,
    key_id,
    signed_bytes,
)

log = logging.getLogger("mendstream.signing")
Scheme = Literal["1", "both", "2"]


class Signer:
    """Makes the headers that a deployer verifies."""

    def __init__(
        self,
        key: Ed25519PrivateKey,
        origin: Origin | None = None,
        scheme: Scheme = "both",
        topic_prefix: str = "",
    ) -> None:
        """origin: whose commands they are; without one only scheme 1 can be signed, whatever
        `scheme` says. topic_prefix: what is signed is the topic's name at Kafka.
        """
        self.topic_prefix = topic_prefix
        self._key, self.origin = key, origin
        self._scheme = "1" if origin is None else scheme
        self.key_id = key_id(key.public_key().public_bytes_raw())

    def headers(
        self, topic: str, key: str, value: bytes, command: Command
    ) -> list[tuple[str, bytes]]:
        """The key's id and signatures in base64; value: the command's bytes as they will stand on
        the topic.
        """
        topic = f"{self.topic_prefix}{topic}"
        fields, record = {name: getattr(command, name) for name in SIGNED}, type(command).__name__
        headers = [(KEY_ID, self.key_id.encode())]
        if self._scheme != "2":
            headers.append(
                (SIGNATURE, self._signed(signed_bytes(record, topic, key.encode(), fields, value)))
            )
        if self.origin is not None and self._scheme != "1":
            meaning = (*self.origin, _fingerprint(record))
            headers.append(
                (
                    SIGNATURE_2,
                    self._signed(signed_bytes(record, topic, key.encode(), fields, value, meaning)),
                )
            )
        return headers

    def _signed(self, message: bytes) -> bytes:
        return base64.b64encode(self._key.sign(message))


@cache
def _fingerprint(record: str) -> str:
    return fingerprint(schema_text(record))


def origin_of(settings: Settings) -> Origin:
    """Whose commands are this installation's: the id of its Kafka cluster, which Kafka is asked
    for, and its group.
    """
    return Origin(str(admin(settings).list_topics(timeout=10.0).cluster_id), settings.group)


def signer_of(
    settings: Settings, origin: Callable[[Settings], Origin] = origin_of
) -> Signer | None:
    """Returns the signer of a processor's commands, None without a key; the log says which.

    Raises as `load` does.
    """
    if not settings.signing_key:
        log.info("commands are not signed: MENDSTREAM_SIGNING_KEY names no key")
        return None
    key = load(Path(settings.signing_key))
    signer = Signer(key, origin(settings), settings.signature_scheme, settings.topic_prefix)
    log.info("commands are signed with key %s", signer.key_id)
    return signer


def load(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file. Raises MendstreamError for one that is missing, open to
    others, or no such key.
    """
    try:
        with path.open("rb") as file:
            status, pem = os.fstat(file.fileno()), file.read()
    except FileNotFoundError as error:
        raise MendstreamError(
            f"There is no signing key {path}.", "`mendstream keys new FILE` makes one."
        ) from error
    except OSError as error:
        remedy = "The user that runs Mendstream must be able to read it."
        raise cannot_read(f"The signing key {path}", error, remedy) from error
    # Of root's files a group may read, as PostgreSQL has it: that is how orchestrators hand secrets
    # to other users.
    if status.st_mode & (0o037 if status.st_uid == 0 else 0o077):
        raise MendstreamError(
            f"The signing key {path} is open to others (mode {status.st_mode & 0o777:04o}).",
            f"`chmod 600 {path}`, and make a new key if somebody may have read it.",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise MendstreamError(
            f"{path} holds no unencrypted Ed25519 private key in PEM.",
            "`mendstream keys new FILE` makes one.",
        )
    return key


def create(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file that its owner alone may read. Raises MendstreamError where that
    cannot be made.
    """
    key = Ed25519PrivateKey.generate()
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except FileExistsError as error:
        raise MendstreamError(
            f"{path} is there already, and a key that is overwritten is lost.", "Name another file."
        ) from error
    except OSError as error:
        remedy = "Name a file in a directory that you may write to."
        raise cannot_write(path, error, remedy) from error
    return key


def public_line(key: Ed25519PrivateKey, comment: str) -> str:
    """Returns the line for a verifier's file of keys: id, public half in base64, and a comment."""
    public = key.public_key().public_bytes_raw()
    return f"{key_id(public)} {base64.b64encode(public).decode()} {comment}"
