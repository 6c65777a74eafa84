"""Verifies tokens: signature, algorithm, header and claims (RFC 7519, RFC 8725, RFC 9068)."""

import binascii
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.util import to_bytes, urlsafe_b64decode

from gateway.auth.identity import Identity, IdentityFault, Way, identity_of
from gateway.auth.keys import KeyFault, KeySource

TOKEN_BYTES_MAX = 8_192
LIFE_SECONDS_MAX = 12 * 3_600  # from iat to exp: who leaves is out within half a day
LEEWAY_SECONDS = 30  # between clocks
_CACHED_MAX = 1_024  # verified tokens; an ES256 signature costs 0.3 ms
# What would let a token say by what it is to be verified, or how it is to be read.
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class TokenFault(Exception):
    """A token that is not to be believed; the sentence is for the log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say: who made it, and for whom."""

    issuer: str
    audience: str


class Verifier:
    """Verifies tokens with the keys of one source."""

    def __init__(self, keys: KeySource, expected: Expected) -> None:
        self._keys, self._expected = keys, expected
        self._cache: OrderedDict[bytes, tuple[int, Identity]] = OrderedDict()

    async def identity(self, token: str, way: Way, now: float) -> Identity:
        """The identity that a token proves. now: seconds since 1970. Raises TokenFault."""
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None and cached[0] == self._keys.generation:
            known = cached[1]
            if known.expires_at is not None and now < known.expires_at + LEEWAY_SECONDS:
                return replace(known, way=way)
        found = await self._verified(token, way, now)
        self._cache[digest] = self._keys.generation, found
        if len(self._cache) > _CACHED_MAX:
            self._cache.popitem(last=False)
        return found

    async def _verified(self, token: str, way: Way, now: float) -> Identity:
        if len(token) > TOKEN_BYTES_MAX or not token.isascii():
            raise TokenFault(f"a token of {len(token)} characters, or not in ASCII")
        header = _header(token)
        try:
            key = await self._keys.key(str(header.get("kid", "")), str(header.get("alg", "")))
            decoded = jwt.decode(token, key, algorithms=[str(header["alg"])])
            _once(token.split(".")[1])
            self._claims(decoded.claims, now)
            return identity_of(decoded.claims, way)
        except (JoseError, KeyFault, IdentityFault, ValueError, TypeError) as error:
            raise TokenFault(f"{type(error).__name__}: {error}") from error

    def _claims(self, claims: Mapping[str, Any], now: float) -> None:
        registry = jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._expected.issuer},
            aud={"essential": True, "value": self._expected.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        registry.validate(dict(claims))
        for name in ("exp", "iat", "nbf"):
            if name in claims and (isinstance(claims[name], bool) or type(claims[name]) is not int):
                raise TokenFault(f"{name} is {claims[name]!r}, no whole number of seconds")
        if "iat" not in claims or claims["exp"] - claims["iat"] > LIFE_SECONDS_MAX:
            raise TokenFault(f"it does not say that it lives {LIFE_SECONDS_MAX} s at most")


def _header(token: str) -> Mapping[str, Any]:
    """A token's header, which nothing has vouched for yet."""
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenFault(f"a token of {len(parts)} parts")
    header = _once(parts[0])
    if refused := _REFUSED_HEADERS & header.keys():
        raise TokenFault(f"its header holds {', '.join(sorted(refused))}")
    kind = header.get("typ")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
        raise TokenFault(f"its type is {kind!r}")
    return header


def _once(part: str) -> Mapping[str, Any]:
    """The object that a part of a token holds, in which no name stands twice: two readers would
    take two tokens for one.
    """
    try:
        found = json.loads(urlsafe_b64decode(to_bytes(part)), object_pairs_hook=_unique)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise TokenFault(f"a part of it cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise TokenFault("a part of it is no object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands in it twice")
    return made
