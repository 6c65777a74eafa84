"""Tokens as those make them who want in: by hand, without a library that would refuse to."""

import base64
import hashlib
import hmac
import json


def by_hand(header: bytes, payload: bytes, signature: bytes = b"") -> str:
    """A token of these three parts."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    return f"{part(header)}.{part(payload)}.{part(signature)}"


def hashed(payload: str, secret: bytes, **header: str) -> str:
    """A token of HS256 with any bytes for its secret."""
    head = json.dumps({"alg": "HS256", **header}).encode()
    body = by_hand(head, payload.encode()).rpartition(".")[0]
    digest = hmac.digest(secret, body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
