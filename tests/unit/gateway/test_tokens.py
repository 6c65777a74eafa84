"""Which tokens are believed."""

import asyncio
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.auth import keys
from gateway.auth.identity import Identity, Scope, Way
from gateway.auth.keys import PublishedKeys, SecretKey
from gateway.auth.tokens import Expected, TokenFault, Verifier
from streams.runtime.errors import MendstreamError
from tests.support.gateway.forging import by_hand, hashed

NOW = 1_700_000_000
SECRET = "0123456789abcdef0123456789abcdef"
EXPECTED = Expected("https://login.example", "mendstream")
GOOD: dict[str, Any] = {
    "iss": "https://login.example",
    "aud": "mendstream",
    "sub": "Ann",
    "iat": NOW - 60,
    "exp": NOW + 600,
    "amr": ["pwd"],
    "scope": "read approve unknown",
    "tenants": ["acme", "beta"],
}
RSA, EC, OKP = (
    RSAKey.generate_key(2048),
    ECKey.generate_key("P-256"),
    OKPKey.generate_key("Ed25519"),
)
OTHER = ECKey.generate_key("P-256")
with warnings.catch_warnings(action="ignore"):  # joserfc says that it is weak
    WEAK = RSAKey.generate_key(1024)
PUBLISHED = {"rsa": RSA, "ec": EC, "okp": OKP, "weak": WEAK}


def key_set(**named: Any) -> bytes:
    return json.dumps(
        {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in named.items()]}
    ).encode()


def published(body: bytes | None = None) -> PublishedKeys:
    async def fetch() -> bytes:
        return body if body is not None else key_set(**PUBLISHED)

    return PublishedKeys("https://login.example/keys", fetch)


def verify(token: str, source: Any = None, now: float = NOW) -> Identity:
    verifier = Verifier(source or SecretKey(SECRET), EXPECTED)
    return asyncio.run(verifier.identity(token, Way.BEARER, now))


def signed(claims: Any = None, header: Any = None, key: Any = None, alg: str = "HS256") -> str:
    """A token by joserfc, with whatever header."""
    made = {"alg": alg, **(header or {})}
    return jwt.encode(made, dict(claims or GOOD), key or OctKey.import_key(SECRET), [alg])


def test_a_good_token_says_who_may_what_for_whom() -> None:
    found = verify(signed())
    assert found.name == "ann"
    assert found.scopes == frozenset({Scope.READ, Scope.APPROVE})
    assert (found.tenants.names, found.tenants.everything) == (("acme", "beta"), False)
    assert not found.service


@pytest.mark.parametrize(("kid", "alg"), [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256")])
def test_a_token_of_a_published_key_is_believed(kid: str, alg: str) -> None:
    token = signed(header={"kid": kid}, key=PUBLISHED[kid], alg=alg)
    assert verify(token, published()).name == "ann"


@pytest.mark.filterwarnings("ignore:EdDSA")  # its older name, which issuers still write
@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_a_token_of_an_edwards_key_is_believed(alg: str) -> None:
    assert verify(signed(header={"kid": "okp"}, key=OKP, alg=alg), published()).name == "ann"


def changed(**more: Any) -> dict[str, Any]:
    return {name: value for name, value in (GOOD | more).items() if value is not None}


def doubled() -> str:
    return hashed(json.dumps(GOOD)[:-1] + ', "sub": "root"}', SECRET.encode())


FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "a.b",
    "not in ASCII": lambda: "ä.b.c",
    "no signature": lambda: by_hand(b'{"alg":"none"}', json.dumps(GOOD).encode()),
    "an empty one": lambda: by_hand(b'{"alg":"HS256"}', json.dumps(GOOD).encode()),
    "another secret": lambda: signed(key=OctKey.import_key("x" * 32)),
    "a longer hash": lambda: signed(alg="HS512"),
    "no algorithm": lambda: by_hand(b"{}", json.dumps(GOOD).encode(), b"x"),
    "a header of another kind": lambda: by_hand(b"[]", b"{}", b"x"),
    "a doubled claim": doubled,
    "its own key": lambda: signed(header={"jwk": OTHER.as_dict(private=False)}),
    "an address of keys": lambda: signed(header={"jku": "https://evil.example"}),
    "a certificate": lambda: signed(header={"x5u": "https://evil.example"}),
    "another type": lambda: signed(header={"typ": "logout+jwt"}),
    "expired": lambda: signed(changed(exp=NOW - 31)),
    "for ever": lambda: signed(changed(exp=None)),
    "too long a life": lambda: signed(changed(exp=NOW + 13 * 3_600)),
    "no beginning": lambda: signed(changed(iat=None)),
    "not yet": lambda: signed(changed(nbf=NOW + 60)),
    "an end in words": lambda: signed(changed(exp="tomorrow")),
    "an end that is true": lambda: signed(changed(exp=True)),
    "a broken end": lambda: signed(changed(exp=NOW + 600.5)),
    "another issuer": lambda: signed(changed(iss="https://evil.example")),
    "no issuer": lambda: signed(changed(iss=None)),
    "another audience": lambda: signed(changed(aud="other")),
    "no audience": lambda: signed(changed(aud=None)),
    "nobody": lambda: signed(changed(sub=None)),
    "an empty name": lambda: signed(changed(sub="")),
    "a blank name": lambda: signed(changed(sub="  ")),
    "a number for a name": lambda: signed(changed(sub=7)),
    "Mendstream itself": lambda: signed(changed(sub="Mendstream")),
    "a name with what nobody sees": lambda: signed(changed(sub="ann\u200b")),
    "scopes of another form": lambda: signed(changed(scope={"read": True})),
    "a tenant with a slash": lambda: signed(changed(tenants=["acme/bot"])),
    "a tenant that is a pattern": lambda: signed(changed(tenants=["*", "acme"])),
    "too many tenants": lambda: signed(changed(tenants=[f"t{n}" for n in range(33)])),
    "too large": lambda: signed(changed(more="x" * 9_000)),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_token_is_refused(what: str) -> None:
    with pytest.raises(TokenFault):
        verify(FORGED[what]())


def public_pem() -> bytes:
    return RSA.as_pem(private=False)


FORGED_FOR_KEYS: dict[str, Callable[[], str]] = {
    "a public key as a secret": lambda: hashed(json.dumps(GOOD), public_pem(), kid="rsa"),
    "an unknown key": lambda: signed(header={"kid": "x"}, key=OTHER, alg="ES256"),
    "another key's id": lambda: signed(header={"kid": "ec"}, key=OTHER, alg="ES256"),
    "no id of several": lambda: signed(key=EC, alg="ES256"),
    "a weak key": lambda: signed(header={"kid": "weak"}, key=WEAK, alg="RS256"),
    "a longer hash": lambda: signed(header={"kid": "rsa"}, key=RSA, alg="RS512"),
    "no signature": lambda: by_hand(b'{"alg":"none","kid":"rsa"}', json.dumps(GOOD).encode()),
}


@pytest.mark.parametrize("what", FORGED_FOR_KEYS)
def test_a_forged_token_is_refused_where_keys_are_published(what: str) -> None:
    with pytest.raises(TokenFault):
        verify(FORGED_FOR_KEYS[what](), published())


@given(st.sets(st.sampled_from(["iss", "aud", "sub", "exp", "iat"]), min_size=1))
def test_without_any_of_these_claims_nothing_is_believed(dropped: set[str]) -> None:
    with pytest.raises(TokenFault):
        verify(signed(changed(**dict.fromkeys(dropped))))


@pytest.mark.parametrize("tenants", [None, [], "acme", {"acme": True}, [1]])
def test_tenants_of_no_known_form_allow_nothing(tenants: Any) -> None:
    found = verify(signed(changed(tenants=tenants)))
    assert (found.tenants.names, found.tenants.everything) == ((), False)


def test_a_short_secret_keeps_a_gateway_from_starting() -> None:
    with pytest.raises(MendstreamError, match="32 bytes"):
        SecretKey("short")


@pytest.mark.parametrize("url", ["http://login.example/keys", "file:///etc/passwd", "keys"])
def test_keys_are_believed_over_https_alone(url: str) -> None:
    with pytest.raises(MendstreamError, match="https"):
        PublishedKeys(url)


class Issuer:
    """An issuer whose keys change, and who is away at times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.body = 1_000.0, key_set(first=EC)
        self.source = PublishedKeys("https://login.example/keys", self._fetch)
        self.verifier = Verifier(self.source, EXPECTED)
        monkeypatch.setattr(keys, "monotonic", lambda: self.now)

    async def _fetch(self) -> bytes:
        return self.body

    async def believes(self, kid: str, key: Any) -> bool:
        token = signed(header={"kid": kid}, key=key, alg="ES256")
        try:
            await self.verifier.identity(token, Way.BEARER, NOW)
        except TokenFault:
            return False
        return True


def test_keys_change_and_what_was_taken_away_is_believed_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issuer = Issuer(monkeypatch)

    async def life() -> None:
        assert await issuer.believes("first", EC)
        issuer.body = key_set(second=OTHER)
        issuer.now += 60.0
        assert await issuer.believes("second", OTHER), "an unknown id asks for the keys anew"
        assert not await issuer.believes("first", EC), "a token that was believed before"
        issuer.body = b"away"
        issuer.now += keys.CACHE_SECONDS + 60.0
        assert await issuer.believes("second", OTHER), (
            "what is known stays while the issuer is away"
        )
        issuer.now += keys.KEEP_SECONDS
        assert not await issuer.believes("second", OTHER), "but not for ever"

    asyncio.run(life())


def test_ten_thousand_unknown_ids_ask_the_issuer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer(monkeypatch)
    key = OTHER

    async def flood() -> None:
        assert await issuer.believes("first", EC)
        before = issuer.source.fetches
        for number in range(10_000):
            with pytest.raises(keys.KeyFault):
                await issuer.source.key(f"random-{number}", "ES256")
        assert issuer.source.fetches == before + 1
        issuer.body = key_set(first=EC, late=key)
        issuer.now += keys.FORCED_SECONDS + 1.0
        assert await issuer.believes("late", key), "the flood does not keep a good key out"

    asyncio.run(flood())
