"""Signs commands, so that a deployer can tell the processor's own from those of somebody who can write to their topics.

Ed25519 draws no chance: a command that is made again from the log gets the same signature.
"""

import base64
import logging
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from schemas.records import Command
from streams.config import Settings
from streams.errors import MendstreamError
from streams.verifier import KEY_ID, SIGNATURE, SIGNED, key_id, signed_bytes

log = logging.getLogger("mendstream.signing")


class Signer:
    """Makes the headers that a deployer verifies."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key().public_bytes_raw())

    def headers(self, topic: str, key: str, value: bytes, command: Command) -> list[tuple[str, bytes]]:
        """The key's id and the signature in base64; value: the command's bytes as they will stand on the topic."""
        fields = {name: getattr(command, name) for name in SIGNED}
        signature = self._key.sign(signed_bytes(type(command).__name__, topic, key.encode(), fields, value))
        return [(KEY_ID, self.key_id.encode()), (SIGNATURE, base64.b64encode(signature))]


def signer_of(settings: Settings) -> Signer | None:
    """Who signs the commands of a processor, None without a key; the log says which. Raises as `load` does."""
    if not settings.signing_key:
        log.info("commands are not signed: MENDSTREAM_SIGNING_KEY names no key")
        return None
    signer = Signer(load(Path(settings.signing_key)))
    log.info("commands are signed with key %s", signer.key_id)
    return signer


def load(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file. Raises MendstreamError for one that is missing, open to others, or no such key."""
    try:
        with path.open("rb") as file:
            status, pem = os.fstat(file.fileno()), file.read()
    except FileNotFoundError as error:
        raise MendstreamError(f"There is no signing key {path}.", "`mendstream keys new FILE` makes one.") from error
    except OSError as error:
        remedy = "The user that runs Mendstream must be able to read it."
        raise MendstreamError(f"The signing key {path} cannot be read: {error.strerror}.", remedy) from error
    # Of root's files a group may read, as PostgreSQL has it: that is how orchestrators hand secrets to other users.
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
            f"{path} holds no unencrypted Ed25519 private key in PEM.", "`mendstream keys new FILE` makes one."
        )
    return key


def create(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file that its owner alone may read. Raises MendstreamError where that cannot be made."""
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
        raise MendstreamError(f"{path} cannot be written: {error.strerror}.", remedy) from error
    return key


def public_line(key: Ed25519PrivateKey, comment: str) -> str:
    """What a verifier's file of keys needs of a key: its id, its public half in base64, a comment."""
    public = key.public_key().public_bytes_raw()
    return f"{key_id(public)} {base64.b64encode(public).decode()} {comment}"
