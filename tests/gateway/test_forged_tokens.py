"""Forged tokens at the door of a gateway whose issuer publishes its keys: all are refused alike."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from limits import RateLimitItemPerMinute

from gateway.web import limits
from streams.runtime.settings import Settings
from tests.support.gateway.forging import by_hand, hashed
from tests.support.gateway.served import AUDIENCE, ISSUER, Answered, Served, claims

pytestmark = pytest.mark.kafka
NOW = "/api/v1/now"
KEY, OTHER = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
PUBLISHED = {
    "keys": [
        {**KEY.as_dict(private=False), "kid": "rsa"},
        {**EC.as_dict(private=False), "kid": "ec"},
    ]
}


@contextmanager
def issuer() -> Iterator[str]:
    """The address of an issuer's keys."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(PUBLISHED).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        thread = threading.Thread(target=server.serve_forever, name="issuer")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def published(two_tenants: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("views")
    with (
        pytest.MonkeyPatch.context() as patch,
        issuer() as address,
    ):
        # As many tries as it takes; that they are bounded is test_door's matter.
        patch.setattr(limits, "_FAILURES", RateLimitItemPerMinute(10_000, namespace="failed"))
        keys: dict[str, Any] = {"jwt_secret": "", "jwt_jwks_url": address, "jwt_issuer": ISSUER}
        with Served(two_tenants, folder, **keys) as gateway:
            assert gateway.settings.jwt_audience == AUDIENCE
            yield gateway


def made(said: Mapping[str, Any], key: Any = KEY, alg: str = "RS256", **header: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "rsa", **header}, dict(said), key, [alg])


def text(**more: Any) -> str:
    return json.dumps(claims(**more))


def doubled(name: str, value: object) -> str:
    """A token that an issuer signed, with a claim twice: two readers would take two values."""
    payload = f"{text()[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}".encode()
    head = json.dumps({"alg": "RS256", "kid": "rsa"}).encode()
    unsigned = by_hand(head, payload).rpartition(".")[0]
    return f"{unsigned}.{signature(unsigned)}"


def signature(unsigned: str) -> str:
    """RS256 over these two parts, by the library that joserfc signs with too."""
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.hashes import SHA256

    private = KEY.private_key
    assert private is not None
    signed = private.sign(unsigned.encode(), padding.PKCS1v15(), SHA256())
    return by_hand(b"", b"", signed).rpartition(".")[2]


FORGED: dict[str, Callable[[], str | None]] = {
    "no token at all": lambda: None,
    "no algorithm": lambda: by_hand(b'{"alg":"none","kid":"rsa"}', text().encode()),
    "no algorithm in capitals": lambda: by_hand(b'{"alg":"NONE","kid":"rsa"}', text().encode()),
    "a public key as a secret, PEM": lambda: hashed(text(), KEY.as_pem(private=False), kid="rsa"),
    "a public key as a secret, DER": lambda: hashed(text(), KEY.as_der(private=False), kid="rsa"),
    "a public key as a secret, JSON": lambda: hashed(
        text(), json.dumps(KEY.as_dict(private=False)).encode(), kid="rsa"
    ),
    "a secret of its own": lambda: made(claims(), OctKey.import_key("x" * 32), "HS256"),
    "another key": lambda: made(claims(), OTHER),
    "another key's id": lambda: made(claims(), kid="ec"),
    "an unknown id": lambda: made(claims(), kid="nobody"),
    "a changed payload": lambda: made(claims()).replace(".", ".e30", 1),
    "a key of its own in its header": lambda: made(
        claims(), OTHER, jwk=OTHER.as_dict(private=False)
    ),
    "expired": lambda: made(claims(exp=1_000)),
    "for ever": lambda: made(claims(exp=None)),
    "another issuer": lambda: made(claims(iss="https://evil.example")),
    "no issuer": lambda: made(claims(iss=None)),
    "another audience": lambda: made(claims(aud="another")),
    "no audience": lambda: made(claims(aud=None)),
    "two names": lambda: doubled("sub", "root"),
    "two lists of tenants": lambda: doubled("tenants", ["*"]),
    "two scopes": lambda: doubled("scope", "admin"),
    "two ends": lambda: doubled("exp", 9_999_999_999),
}


def same(answer: Answered) -> str:
    return json.dumps({k: v for k, v in answer.json.items() if k != "trace_id"}, sort_keys=True)


def test_what_the_issuer_signed_is_believed(published: Served) -> None:
    """Or the refusals below would say nothing."""
    assert published.call("GET", NOW, made(claims())).status == 200
    assert published.call("GET", NOW, made(claims(), EC, "ES256", kid="ec")).status == 200
    unsigned = made(claims()).rpartition(".")[0]
    assert published.call("GET", NOW, f"{unsigned}.{signature(unsigned)}").status == 200


@pytest.mark.parametrize("what", FORGED)
def test_what_is_forged_is_refused_with_one_body(published: Served, what: str) -> None:
    answer = published.call("GET", NOW, FORGED[what]())
    plain = published.call("GET", NOW)
    assert (answer.status, same(answer)) == (401, same(plain))
    assert answer.headers["www-authenticate"] == plain.headers["www-authenticate"]
    assert answer.headers["content-length"] == plain.headers["content-length"]


@pytest.mark.parametrize("what", FORGED)
def test_it_opens_no_socket_and_no_session_either(published: Served, what: str) -> None:
    forged = FORGED[what]()
    for method, path in (("GET", "/ws"), ("POST", "/api/v1/session")):
        assert published.call(method, path, forged).status == 401
