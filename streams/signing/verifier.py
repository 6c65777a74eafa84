"""Tells a deployer whether a command is the processor's own, for this topic and key, in time, and
not yet carried out.

This file stands alone, so that a deployer can copy it: it needs `cryptography` and nothing else of
Mendstream. What is not refused came from whoever holds the private key; whether the order is a wise
one is another question.
"""

import base64
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

log = logging.getLogger("mendstream.verifier")

# So that a signature of anything else never passes for one of a command. What scheme 1 signs does
# not say how the bytes are
# to be read, nor whose they are: who owns the Schema Registry could swap two fields, who has
# another Kafka send them there.
TAG, TAG_2 = b"mendstream-command-v1", b"mendstream-command-v2"
KEY_ID, SIGNATURE, SIGNATURE_2, TYPE = (
    "mendstream-key-id",
    "mendstream-signature",
    "mendstream-signature-2",
    "ce_type",
)
TYPES = {
    "commands.rollback.v1": "RollbackCommand",
    "commands.deploy.v1": "DeployCommand",
    "commands.retrain.v1": "RetrainCommand",
    "commands.improve.v1": "ImproveCommand",
}
SIGNED = ("command_id", "attempt", "fencing_token", "issued_at", "expires_at")
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
MOST = 10_000  # of each kind in a ledger: some 2 MB, written anew with each command
_TEXTS = ("command_id", "subject", "target")

Reason = Literal[
    "UNSIGNED",
    "UNKNOWN_KEY",
    "BAD_SIGNATURE",
    "WRONG_KEY",
    "WRONG_TOPIC",
    "EXPIRED",
    "STALE_TOKEN",
    "SEEN",
]
Headers = Iterable[tuple[str, bytes | str | None]]
Command = Mapping[
    str, Any
]  # the decoded payload by its Avro names; moments as int ms or aware datetimes


class Origin(NamedTuple):
    """Whose commands are obeyed: the id of the Kafka cluster, and the consumer group of its
    processors.
    """

    cluster: str
    group: str


class Refused(Exception):
    """A command that must not be carried out; as text a sentence, `reason` for programs."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def key_id(public: bytes) -> str:
    """The name of a raw public key of 32 bytes: 16 hex digits."""
    return hashlib.sha256(public).hexdigest()[:16]


def load_keys(path: str | Path) -> dict[str, Ed25519PublicKey]:
    """The keys to trust, from lines `<key id> <base64 raw public key> <comment>`; several of them
    let keys be rotated.

    Empty lines and lines that begin with # are passed over. Raises OSError for a file that cannot
    be read, ValueError for a line that is no key and for a file without one.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8-sig").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            raw = base64.b64decode(words[1], validate=True)
            key = Ed25519PublicKey.from_public_bytes(raw)
        except (IndexError, ValueError) as error:
            wanted = "`<key id> <base64 of a raw Ed25519 public key> <comment>`"
            raise ValueError(f"{path}, line {number} is not {wanted}") from error
        if words[0] != key_id(raw):
            raise ValueError(
                f"{path}, line {number}: the id of this key is {key_id(raw)}, not {words[0]}"
            )
        keys[words[0]] = key
    if not keys:
        raise ValueError(f"{path} names no key: every command would be refused")
    return keys


def signed_bytes(
    record_type: str,
    topic: str,
    key: bytes,
    command: Command,
    value: bytes,
    meaning: tuple[str, str, str] | None = None,
) -> bytes:
    """Returns the bytes that a signature covers: the tag, then each field behind its length in 4
    bytes, most significant first.

    The fields: record type, topic, key, those of SIGNED (integers as decimal digits), with scheme 2
    cluster, group and the schema's fingerprint (`meaning`, in this order), value. Raises Refused
    BAD_SIGNATURE where the command lacks one.
    """
    parts = [record_type.encode(), topic.encode(), key]
    parts += [str(_field(command, name)).encode() for name in SIGNED]
    parts += [part.encode() for part in meaning or ()]
    tag = TAG if meaning is None else TAG_2
    return tag + b"".join(len(part).to_bytes(4, "big") + part for part in [*parts, value])


def fingerprint(schema: str | Mapping[str, Any] | list[Any]) -> str:
    """SHA-256, in hex, of a schema's Parsing Canonical Form (Avro 1.12, "Transforming into Parsing
    Canonical Form").

    Two schemas with the same one read the same bytes as the same fields. schema: as JSON text, or
    as that reads.
    """
    parsed = json.loads(schema) if isinstance(schema, str) and schema[:1] in '{["' else schema
    return hashlib.sha256(_canonical(parsed, "").encode()).hexdigest()


def _canonical(schema: Any, namespace: str) -> str:
    if isinstance(schema, list):
        return f"[{','.join(_canonical(each, namespace) for each in schema)}]"
    if isinstance(schema, str):
        return _quoted(schema if schema in PRIMITIVES else _full(schema, namespace))
    kind = schema["type"]
    if kind == "array":
        return f'{{"type":"array","items":{_canonical(schema["items"], namespace)}}}'
    if kind == "map":
        return f'{{"type":"map","values":{_canonical(schema["values"], namespace)}}}'
    if kind not in ("record", "enum", "fixed"):
        return _canonical(kind, namespace)
    name = _full(schema["name"], schema.get("namespace", namespace))
    begins, inner = f'{{"name":{_quoted(name)},"type":"{kind}"', name.rpartition(".")[0]
    if kind == "enum":
        return f'{begins},"symbols":[{",".join(map(_quoted, schema["symbols"]))}]}}'
    if kind == "fixed":
        return f'{begins},"size":{int(schema["size"])}}}'
    fields = (
        f'{{"name":{_quoted(each["name"])},"type":{_canonical(each["type"], inner)}}}'
        for each in schema["fields"]
    )
    return f'{begins},"fields":[{",".join(fields)}]}}'


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def verify(  # noqa: PLR0913 - deployers call it by these names
    topic: str,
    key: bytes | str | None,
    value: bytes | None,
    headers: Headers | None,
    command: Command,
    keys: Mapping[str, Ed25519PublicKey],
    now_ms: int,
    origin: Origin | None = None,
    schema: str | Mapping[str, Any] = "",
    scheme_1_until_ms: int | None = None,
) -> None:
    """Returns if a record is a command that a known key signed for this topic and key, and that has
    not expired.

    topic: its name at Kafka, with the prefix where an installation has one; value: the bytes as
    they came; command: what they decode to, and nothing but that, since of its
    fields only those of SIGNED and the subject are looked at. now_ms: the time of this machine.
    Raises Refused for the first fault.

    origin: whose commands are obeyed, with which scheme 2 is verified wherever it is there; schema:
    the one by which the value was decoded, the writer's. scheme_1_until_ms: from this moment on a
    signature of scheme 1 alone is refused; None: never.
    """
    held = list(headers or ())
    second = origin is not None and any(each == SIGNATURE_2 for each, _ in held)
    if not _scheme_1(origin, scheme_1_until_ms, now_ms) and not second:
        raise Refused(
            "UNSIGNED",
            f"it carries no {SIGNATURE_2}, and scheme 1 was accepted until {scheme_1_until_ms} ms",
        )
    header = SIGNATURE_2 if second else SIGNATURE
    name, signature = _only(held, KEY_ID), _only(held, header)
    if not name or not signature:
        raise Refused("UNSIGNED", f"it does not carry one {KEY_ID} and one {header}")
    record_type, said = _type_on(topic), _only(held, TYPE)
    if record_type is None or said != f"mendstream.{record_type}.v1":
        raise Refused("WRONG_TOPIC", f"a record of type {said!r} does not belong on {topic!r}")
    subject = _field(command, "subject").encode()
    if (key.encode() if isinstance(key, str) else key) != subject:
        raise Refused("WRONG_KEY", f"its key is {key!r}, its subject {subject!r}")
    if name not in keys:
        raise Refused("UNKNOWN_KEY", f"it is signed with {name!r}, which is none of {sorted(keys)}")
    try:
        meaning = (*origin, fingerprint(schema)) if origin is not None and second else None
        message = signed_bytes(record_type, topic, subject, command, value or b"", meaning)
        keys[name].verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError) as error:
        raise Refused("BAD_SIGNATURE", f"what it says is not what {name} signed") from error
    if now_ms >= (expires := _field(command, "expires_at")):
        raise Refused("EXPIRED", f"it expired at {expires} ms, {now_ms - expires} ms ago")


def _type_on(topic: str) -> str | None:
    """Which records belong on a topic; before its own name a prefix may stand, which is signed."""
    return next((kind for name, kind in TYPES.items() if topic.endswith(name)), None)


def _scheme_1(origin: Origin | None, until_ms: int | None, now_ms: int) -> bool:
    """Returns whether a signature of scheme 1 alone is accepted, which is said."""
    if origin is not None and until_ms is not None:
        if now_ms >= until_ms:
            return False
        warned(
            f"until {until_ms} ms, as scheme_1_until_ms says (of an executor "
            "MENDSTREAM_SIGNATURE_1_UNTIL)"
        )
    elif origin is not None:
        warned(
            "without an end: state one in scheme_1_until_ms (of an executor "
            "MENDSTREAM_SIGNATURE_1_UNTIL)"
        )
    else:
        warned(
            "without an end: give verify an origin and the schema, and state one in "
            "scheme_1_until_ms"
        )
    return True


@cache
def warned(how_long: str) -> None:
    """Says once in the life of a process that scheme 1 is accepted."""
    log.warning(
        "commands with a signature of scheme 1 alone, which says neither whose they are nor how "
        "they are read, are accepted %s",
        how_long,
    )


class Ledger:
    """Remembers which commands were taken; with a path it outlasts a restart. For one thread of one
    process.

    It remembers the last `most` commands, and the newest token of as many targets. A command that
    it forgot is still refused by its token, and where that is forgotten too, once it has expired. A
    file that no ledger wrote is renamed to <name>.damaged; what was issued before that moment may
    have been taken, and is refused as SEEN. `fault` says so.
    """

    def __init__(self, path: str | Path | None = None, most: int = MOST) -> None:
        """Raises OSError where the file cannot be read, or a damaged one not be renamed."""
        self._path, self._most = Path(path) if path is not None else None, most
        self._seen: dict[tuple[str, int], None] = {}
        self._tokens: dict[str, int] = {}
        self._since, self.fault = 0, ""
        if self._path is not None and self._path.exists():
            try:
                self._recall(json.loads(self._path.read_bytes()))
            except (KeyError, TypeError, ValueError, RecursionError, IsADirectoryError) as error:
                self._begin_anew(self._path, error)

    def check(self, command: Command) -> None:
        """Raises Refused SEEN or STALE_TOKEN unless the command is new."""
        identity, place, token = _identity(command)
        if (issued := _field(command, "issued_at")) <= self._since:
            raise Refused(
                "SEEN",
                f"it was issued at {issued} ms, before the ledger was damaged: it may have been "
                "taken",
            )
        if identity in self._seen:
            raise Refused(
                "SEEN", f"attempt {identity[1]} of command {identity[0]!r} was taken before"
            )
        newest = self._tokens.get(place)
        if newest is not None and token <= newest:
            raise Refused(
                "STALE_TOKEN", f"its token {token} for {place!r} is not newer than {newest}"
            )

    def admit(self, command: Command) -> None:
        """Checks a verified command and notes it, on the disk too; carry it out after that.

        A deployer that dies in between never carries it out. Where doing it twice does no harm,
        `check`, do it, then admit. Raises Refused as `check` does, and OSError where the file
        cannot be written; then nothing is noted.
        """
        self.check(command)
        identity, place, token = _identity(command)
        seen = _newest({**self._seen, identity: None}, self._most)
        others = {each: newest for each, newest in self._tokens.items() if each != place}
        tokens = _newest({**others, place: token}, self._most)
        if self._path is not None:
            self._write(self._path, seen, tokens)
        self._seen, self._tokens = seen, tokens

    def _recall(self, stored: Any) -> None:
        seen = {(str(name), int(attempt)): None for name, attempt in stored["seen"]}
        tokens: dict[str, int] = {}
        for *_, target, token in stored["tokens"]:  # once with a subject before the target
            tokens[str(target)] = max(int(token), tokens.get(str(target), 0))
        self._since, self._seen, self._tokens = int(stored.get("since", 0)), seen, tokens

    def _begin_anew(self, path: Path, error: Exception) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        for number in range(1, 10):  # a folder is not replaced
            aside = path.with_name(f"{path.name}.damaged{number}") if aside.exists() else aside
        path.rename(aside)
        self._since = int(time.time() * 1_000)  # noqa: TID251 - a copy of this file has no clock of ours
        self.fault = (
            f"{path} was no ledger ({error}) and is now {aside.name}; what was issued "
            "before is refused"
        )
        self._write(path, {}, {})

    def _write(self, path: Path, seen: dict[tuple[str, int], None], tokens: dict[str, int]) -> None:
        stored = {
            "since": self._since,
            "seen": [*seen],
            "tokens": [[each, last] for each, last in tokens.items()],
        }
        _replace(path, json.dumps(stored))


def _only(headers: list[tuple[str, bytes | str | None]], name: str) -> str | None:
    """A header as text; None unless it is there exactly once, since of two a reader may take the
    other.
    """
    found = [text for each, text in headers if each == name]
    if len(found) != 1 or found[0] is None:
        return None
    return found[0] if isinstance(found[0], str) else found[0].decode(errors="replace")


def _field(command: Command, name: str) -> Any:
    """A field by its Avro name: a str, or an int, which for a moment is ms since 1970."""
    value = command.get(name)
    if isinstance(value, datetime):
        value = round(value.timestamp() * 1_000)
    if type(value) is not (str if name in _TEXTS else int):
        raise Refused("BAD_SIGNATURE", f"its {name} is {value!r}, which nobody signs")
    return value


def _identity(command: Command) -> tuple[tuple[str, int], str, int]:
    """(command id, attempt), target, fencing token."""
    command_id, attempt, target, token = (
        _field(command, name) for name in ("command_id", "attempt", "target", "fencing_token")
    )
    return (command_id, attempt), target, token


def _newest(entries: dict[Any, Any], most: int) -> dict[Any, Any]:
    return dict(list(entries.items())[-most:])


def _replace(path: Path, text: str) -> None:
    """Either the old text or the new one is there, whenever the machine loses power."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
