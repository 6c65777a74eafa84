"""The keys that tokens are signed with: a secret, or the keys that an issuer publishes (RFC 7517),
which change.
"""

import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey, import_key

from streams.runtime.clock import monotonic
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import JWKS_FAILURES

log = logging.getLogger("mendstream.gateway")

SECRET_BYTES_MIN = 32  # RFC 7518, 3.2: as long as the hash
_RSA_BITS_MIN = 2_048
_ALGORITHMS: dict[type[Key], tuple[str, ...]] = {
    OctKey: ("HS256",),
    RSAKey: ("RS256", "PS256"),
    ECKey: ("ES256",),
    OKPKey: ("EdDSA", "Ed25519"),
}
CACHE_SECONDS = 600.0
FORCED_SECONDS = 30.0  # between two refreshes that unknown key ids ask for, whoever sends them
KEEP_SECONDS = 24 * 3_600.0  # how long keys are believed that cannot be refreshed
_UNKNOWN_MAX = 128  # key ids that are known to be none
_BYTES_MAX = 65_536
_KEYS_MAX = 64
_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KeyFault(Exception):
    """No key for a token; the sentence is for the log, never for the caller."""


class KeySource(Protocol):
    """Finds keys. generation: another number after each change of keys."""

    generation: int

    async def key(self, kid: str, algorithm: str) -> Key:
        """The key of an id that may have signed with an algorithm. Raises KeyFault."""
        ...


class SecretKey:
    """One secret that issuer and gateway share."""

    generation = 0

    def __init__(self, secret: str) -> None:
        """Raises MendstreamError where it is too short."""
        if len(secret.encode()) < SECRET_BYTES_MIN:
            raise MendstreamError(
                f"MENDSTREAM_JWT_SECRET is shorter than {SECRET_BYTES_MIN} bytes.",
                "Make one with `openssl rand -base64 48`.",
            )
        self._key = OctKey.import_key(secret)

    async def key(self, _kid: str, algorithm: str) -> Key:
        return _fitting(self._key, algorithm)


class PublishedKeys:
    """The keys at an address, fetched anew every CACHE_SECONDS, and when an unknown id comes."""

    def __init__(self, url: str, fetch: Callable[[], Awaitable[bytes]] | None = None) -> None:
        """fetch: in place of one over HTTP, for tests. Raises MendstreamError for an address that
        is neither https nor of this machine.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise MendstreamError(
                f"MENDSTREAM_JWT_JWKS_URL is {url!r}: keys are believed over https alone.",
                "Name the issuer's jwks_uri, https://...",
            )
        self._url, self._fetch = url, fetch or self._fetched
        self._keys: dict[str, Key] = {}
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._read_at = self._tried_at = self._forced_at = float("-inf")
        self.generation = 0
        self.fetches = 0

    async def key(self, kid: str, algorithm: str) -> Key:
        now = monotonic()
        if now - self._read_at > CACHE_SECONDS and now - self._tried_at > FORCED_SECONDS:
            await self._refresh(now)
        if now - self._read_at > KEEP_SECONDS:
            raise KeyFault(f"{self._url} has not answered for {KEEP_SECONDS / 3_600:.0f} h")
        found = self._found(kid)
        if found is None and kid not in self._unknown and now - self._forced_at > FORCED_SECONDS:
            self._forced_at = now
            await self._refresh(now)
            found = self._found(kid)
            if found is None:
                self._note_unknown(kid)
        if found is None:
            raise KeyFault(f"{self._url} has no key {kid[:60]!r}")
        return _fitting(found, algorithm)

    def _note_unknown(self, kid: str) -> None:
        """Remembers an id that the issuer does not have, until its keys are read again."""
        self._unknown[kid[:200]] = None
        if len(self._unknown) > _UNKNOWN_MAX:
            self._unknown.popitem(last=False)

    def _found(self, kid: str) -> Key | None:
        """A token need not name its key where there is but one."""
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _refresh(self, now: float) -> None:
        self._tried_at = now
        self.fetches += 1
        try:
            keys = _keys(await self._fetch())
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyFault) as error:
            JWKS_FAILURES.inc()
            log.error("the keys at %s cannot be read, those known stay: %s", self._url, error)
            return
        self._read_at = now
        self._unknown.clear()
        if {kid: key.as_dict() for kid, key in keys.items()} != {
            kid: key.as_dict() for kid, key in self._keys.items()
        }:
            self._keys = keys
            self.generation += 1

    async def _fetched(self) -> bytes:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise KeyFault(f"status {answer.status}")
            body = await answer.content.read(_BYTES_MAX + 1)
            while not answer.content.at_eof() and len(body) <= _BYTES_MAX:
                body += await answer.content.read(_BYTES_MAX + 1)
            return body


def _keys(body: bytes) -> dict[str, Key]:
    """The keys of a set by their ids, but for those that are not for signatures or are too weak."""
    if len(body) > _BYTES_MAX:
        raise KeyFault(f"more than {_BYTES_MAX} bytes")
    found = json.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise KeyFault("it is no set of keys")
    keys: dict[str, Key] = {}
    for each in found["keys"][:_KEYS_MAX]:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(each)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's key is, the others count
            log.warning("a key at the issuer cannot be read: %s", error)
            continue
        if _strong(key):
            keys[str(each.get("kid", ""))] = key
    if not keys:
        raise KeyFault("it holds no key that may sign")
    return keys


def _strong(key: Key) -> bool:
    """A shared secret is never published, and a private key is not to be."""
    if isinstance(key, OctKey):
        return False
    if isinstance(key, RSAKey):
        return int(key.raw_value.key_size) >= _RSA_BITS_MIN
    if isinstance(key, ECKey):
        return key.curve_name == "P-256"
    return isinstance(key, OKPKey) and key.curve_name == "Ed25519"


def _fitting(key: Key, algorithm: str) -> Key:
    """The key, where its kind signs with the algorithm and it names no other."""
    if algorithm not in _ALGORITHMS[type(key)] or key.alg not in (None, algorithm):
        raise KeyFault(f"a {key.key_type} key does not sign with {algorithm[:20]!r}")
    return key
