"""Commands carry a signature where there is a key; a key that cannot be trusted is refused with
what to do about it.
"""

import logging
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from agents.core.effects import Output
from schemas.catalog import TICKS
from schemas.records import Tick
from streams.engine.outbox import Emitter
from streams.engine.transaction import Outbox
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.signing.signer import Signer, create, load, public_line, signer_of
from streams.signing.verifier import KEY_ID, SIGNATURE, Origin, load_keys
from tests.support.builders import CODEC, NOON, ONE
from tests.support.signed import KEY, refusal, sent, trusted


def pem(
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_the_same_command_gets_the_same_bytes() -> None:
    assert sent() == sent()
    assert [name for name, _ in sent().headers][-2:] == [KEY_ID, SIGNATURE]


def test_a_signature_changes_nothing_else_of_a_command() -> None:
    signed, plain = sent(), sent(key=None)
    assert (signed.value, signed.key, signed.headers[:-2]) == (
        plain.value,
        plain.key,
        plain.headers,
    )


def test_only_commands_are_signed() -> None:
    outbox = Outbox()
    output = Output(TICKS, "0", "event", Tick(0, NOON), NOON)
    Emitter(CODEC, "mendstream/test", ONE, Signer(KEY)).output(output, outbox)
    assert not {KEY_ID, SIGNATURE} & {name for *_, headers in outbox.records for name, _ in headers}


def test_a_key_that_was_made_signs_what_its_public_line_verifies(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    key = create(path)
    (tmp_path / "keys.txt").write_text(public_line(load(path), "a comment of words"))
    assert refusal(sent(key=load(path)), load_keys(tmp_path / "keys.txt")) == ""
    assert load(path).private_bytes_raw() == key.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_log_says_whether_commands_are_signed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mendstream.signing")
    assert signer_of(Settings()) is None
    path = tmp_path / "signing.pem"
    create(path)
    signer = signer_of(Settings(signing_key=str(path)), lambda _: Origin("cluster", "group"))
    assert signer is not None
    assert [record.message for record in caplog.records] == [
        "commands are not signed: MENDSTREAM_SIGNING_KEY names no key",
        f"commands are signed with key {signer.key_id}",
    ]
    assert signer.key_id in trusted(load(path))


def test_the_key_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENDSTREAM_SIGNING_KEY", str(tmp_path / "signing.pem"))
    with pytest.raises(
        MendstreamError,
        match=r"There is no signing key .*signing\.pem\. `mendstream keys new FILE`",
    ):
        signer_of(Settings())


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o660, 0o644, 0o777])
def test_a_key_that_is_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    create(path)
    path.chmod(mode)
    with pytest.raises(MendstreamError, match=rf"open to others \(mode 0{mode:o}\)\. `chmod 600 "):
        load(path)


def test_a_group_may_read_a_key_of_roots_alone(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    create(path)
    path.chmod(0o440)
    if os.getuid() == 0:
        load(path)
        os.chown(path, 1, -1)
    with pytest.raises(MendstreamError, match=r"mode 0440"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        pem(KEY)[:-40],
        pem(KEY, BestAvailableEncryption(b"secret")),
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
)
def test_what_is_no_key_of_ours_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(MendstreamError, match="holds no unencrypted Ed25519 private key"):
        load(path)
    with pytest.raises(MendstreamError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    key = create(path)
    with pytest.raises(
        MendstreamError, match="is there already, and a key that is overwritten is lost"
    ):
        create(path)
    assert load(path).private_bytes_raw() == key.private_bytes_raw()
    with pytest.raises(MendstreamError, match="cannot be written: No such file or directory"):
        create(tmp_path / "nowhere" / "signing.pem")
