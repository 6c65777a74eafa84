"""Cursors of lists: opaque, and good for the list alone that gave them.

A cursor grants nothing that its holder's token does not, for the store asks whose rows are shown
each time. The signature keeps callers from building on what is inside, and tells a cursor of
another list.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from gateway.web.problems import Problem

_SIGNATURE_BYTES = 12
_CHARACTERS_MAX = 2_048  # a key has 512 characters at most, and several parts


class Cursors:
    """Writes and reads cursors; replicas with one secret read each other's."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, name: str, after: tuple[Any, str]) -> str:
        """The cursor of a list's last row: its order and key."""
        said = json.dumps(after, ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._signature(name, said) + said).decode().rstrip("=")

    def read(self, name: str, cursor: str | None) -> tuple[Any, str] | None:
        """The order and key of a cursor; None for none. Raises Problem for one of another list."""
        if cursor is None:
            return None
        fault = Problem(
            422,
            "BAD_CURSOR",
            "`after` is no cursor of this list with this filter and order.",
            "Take `next` of the page before, or begin without `after`.",
        )
        if len(cursor) > _CHARACTERS_MAX:
            raise fault
        try:
            data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError) as error:
            raise fault from error
        signature, said = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(name, said)):
            raise fault
        order, key = json.loads(said)
        return order, key

    def _signature(self, name: str, said: bytes) -> bytes:
        told = f"{len(name)}:{name}:".encode() + said
        return hmac.digest(self._secret, told, hashlib.sha256)[:_SIGNATURE_BYTES]
