"""What is registered as a secret is in no sentence, however it is written there."""

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from typer.testing import CliRunner

from streams.cli.app import application
from streams.cli.support.log_lines import JsonLine
from streams.cli.views_commands import _store
from streams.executor.config_files import secret, secret_url
from streams.kafka.error_messages import explained
from streams.runtime import redaction
from streams.runtime.errors import MendstreamError, RedactedError
from streams.runtime.redaction import KEPT, Formatter, forget, keep, keep_url, redacted, shown
from streams.runtime.settings import Settings, load

CANARY = "cAnary-7+Zq/8"
SECRET = [
    name
    for name, field in Settings.model_fields.items()
    if field.annotation is SecretStr or "url" in name
]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a word": lambda text: f"x{text}x",
    "quoted": lambda text: quote(text, safe=""),
    "quoted with slashes": quote,
    "repr": repr,
    "JSON": json.dumps,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def setting(name: str) -> str:
    """A value of a setting that holds the canary."""
    if "url" not in name:
        return f"ann:{CANARY}" if name.endswith("_auth") else CANARY
    return f"{'redis' if 'redis' in name else 'http'}://ann:{quote(CANARY, safe='')}@127.0.0.1:1/0"


def line(record: logging.LogRecord) -> str:
    return JsonLine().format(record)


def logged(text: str) -> logging.LogRecord:
    return logging.LogRecord("mendstream", logging.ERROR, "", 0, "%s", (text,), None)


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_setting_is_in_no_error_and_in_no_line_of_a_log(name: str) -> None:
    settings = load(None, {name: setting(name)})
    for written in WRITTEN.values():
        text = f"it says {written(CANARY)}, and so on"
        said = [redacted(text), line(logged(text)), Formatter().format(logged(text))]
        said += [
            str(MendstreamError(text, text)),
            str(RedactedError(text)),
            MendstreamError(text, "").fault,
        ]
        said.append(str(explained(KafkaError(KafkaError._INVALID_ARG, text), settings)))
        assert [one for one in said if written(CANARY).strip("'\"") in one] == []
        assert [one for one in said if "***" not in one] == []


@pytest.mark.parametrize("name", SECRET)
def test_config_shows_no_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MENDSTREAM_{name.upper()}", setting(name))
    for arguments in (["config"], ["config", "--json"]):
        said = CliRunner().invoke(application(), arguments).output
        assert name in said
        assert CANARY not in said
        assert quote(CANARY, safe="") not in said


def test_an_address_of_redis_that_is_wrong_is_not_quoted() -> None:
    with pytest.raises(MendstreamError) as raised:
        _store(Settings(redis_url=SecretStr(f"redis://ann:{CANARY}@127.0.0.1/0")))
    assert "cAnary" not in str(raised.value)


def test_a_secret_file_is_registered_with_what_it_held_before(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for number in range(KEPT + 1):
        path.write_text(f"token-number-{number}\n")
        assert secret(path) == f"token-number-{number}"
    assert redacted("token-number-2 token-number-1 token-number-0") == "*** *** token-number-0"


def test_an_address_in_a_file_is_a_secret_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text("https://hooks.example.org/services/T0/B0/xyzzy-xyzzy")
    secret_url(tmp_path / "slack")
    assert (
        redacted("POST https://hooks.example.org/services/T0/B0/xyzzy-xyzzy: 403")
        == "POST ***: 403"
    )
    assert redacted("no /services/T0/B0/xyzzy-xyzzy here") == "no *** here"
    (tmp_path / "slack").write_text("not an address")
    with pytest.raises(MendstreamError, match="is no address"):
        secret_url(tmp_path / "slack")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://ann:pass-word@host:1/a?b=c", "https://***@host:1/a?***"),
        ("https://only-a-token@host/a", "https://***@host/a"),
        ("http://host/a", "http://host/a"),
        ("http://[host/a", "***"),
    ],
)
def test_an_address_is_shown_without_who_logs_in_and_what_is_asked(url: str, sentence: str) -> None:
    keep_url("url", url)
    assert shown(url) == sentence


def test_what_is_shorter_than_a_word_stars_no_sentence() -> None:
    keep("password", "abc")
    assert redacted("abc") == "abc"
    keep("password", "word")
    assert redacted("a word in a password, words") == "a *** in a password, words"


def test_an_uncaught_fault_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        keep("password", CANARY)
        raise RuntimeError(f"no {CANARY}")

    monkeypatch.setattr("streams.cli.app.application", lambda: broken)
    from streams.cli.app import main

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "RuntimeError: no ***" in capsys.readouterr().err


@given(
    st.text(min_size=8, max_size=40).filter(lambda text: len(text.strip()) >= 8),
    st.text(max_size=20),
)
def test_no_secret_survives_in_any_text(held: str, around: str) -> None:
    forget()
    keep("a", held)
    for form in (held, held.strip(), quote(held.strip(), safe=""), json.dumps(held.strip())[1:-1]):
        assert form not in redacted(f"{around}{form}{around}").replace(redaction.STARS, "\0")
