"""What a deployer owes for a command: it verifies, acts once, and answers. Of Mendstream it needs
two schemas and verifier.py.

Without a Schema Registry the values are framed with the local id of their schema, as here.
"""

import io
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro

from schemas.catalog import local_schema_id
from streams.verifier import Origin, Refused, load_keys, verify

AVRO = Path(__file__).parents[1] / "schemas" / "avro"
COMMAND, STATUS = (
    fastavro.schema.load_schema(str(AVRO / f"{name}.avsc"))
    for name in ("RollbackCommand", "CommandStatus")
)
SCHEMA = (
    AVRO / "RollbackCommand.avsc"
).read_text()  # by which commands are decoded here, so what a signature must name
FRAME = b"\0" + local_schema_id("CommandStatus").to_bytes(4, "big")
Act = Callable[[dict[str, Any]], None]


class Duties:
    """act: changes what is in service; after a crash it may be asked again for the same command.

    origin: whose commands are obeyed; until_ms: from when on a signature has to say so, which is
    scheme 2; None: never.
    """

    def __init__(
        self, keys_file: str, state_file: str, act: Act, origin: Origin, until_ms: int | None = None
    ) -> None:
        self._keys, self._path, self._act = load_keys(keys_file), Path(state_file), act
        self._terms = (origin, SCHEMA, until_ms)
        self._state = (
            json.loads(self._path.read_text())
            if self._path.exists()
            else {"done": [], "tokens": {}}
        )

    def take(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Any
    ) -> Iterator[bytes]:
        """Does what a command asks for; gives the statuses, each to be sent before the next is
        asked for.
        """
        if value is None:
            return
        command: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), COMMAND, None)
        try:
            verify(
                topic,
                key,
                value,
                headers,
                command,
                self._keys,
                int(time.time() * 1_000),
                *self._terms,
            )
            done = command["command_id"] in self._state["done"]
            if not done and command["fencing_token"] <= self._state["tokens"].get(
                command["target"], 0
            ):
                raise Refused("STALE_TOKEN", "a later command was here")
        except Refused as refused:
            if refused.reason in (
                "EXPIRED",
                "STALE_TOKEN",
            ):  # what is forged may bear the id of a real command
                yield _status(command, "REFUSED", refused.reason)
            return
        if not done:
            yield _status(command, "ACKNOWLEDGED")
            self._act(command)
            self._note(command)
        yield _status(command, "COMPLETED")

    def _note(self, command: dict[str, Any]) -> None:
        self._state["done"].append(command["command_id"])
        self._state["tokens"][command["target"]] = command["fencing_token"]
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self._state))
        beside.replace(self._path)


def _status(command: dict[str, Any], status: str, detail: str = "") -> bytes:
    said = {name: command[name] for name in ("command_id", "attempt", "subject", "fencing_token")}
    event_id = str(uuid.uuid5(uuid.UUID(command["command_id"]), f"{command['attempt']} {status}"))
    said |= {"event_id": event_id, "status": status, "detail": detail, "reporter": "example"}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, STATUS, said | {"reported_at": int(time.time() * 1_000)})
    return FRAME + body.getvalue()
