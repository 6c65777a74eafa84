"""The deployers in examples/ obey what a signature of scheme 2 says, and nothing that is forged."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.core.effects import Output
from examples import deployer, deployer_faust
from examples.duties import Duties
from schemas.catalog import COMMANDS
from streams.engine.outbox import Emitter
from streams.engine.transaction import Outbox
from streams.signing import verifier
from streams.signing.signer import Scheme, Signer, public_line
from streams.signing.verifier import KEY_ID, SIGNATURE, SIGNATURE_2, Origin, key_id
from tests.support.builders import CODEC, NOON, ONE
from tests.support.signed import KEY, OTHER, ROLLBACK

HOME, TOPIC = Origin("cluster-1", "mendstream"), COMMANDS["ROLLBACK"]
LATE = 100_000_000_000_000  # ms: a command of it does not expire while somebody reads this
COMMAND = replace(
    ROLLBACK, command_id="5e1f0000-0000-4000-8000-000000000000", to_version="v1", expires_at=LATE
)
Headers = list[tuple[str, Any]]
Change = Callable[[Headers], Headers]


@pytest.fixture(autouse=True)
def unwarned() -> Iterator[None]:
    verifier.warned.cache_clear()
    yield
    verifier.warned.cache_clear()


@pytest.fixture(params=[deployer, deployer_faust])
def took(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., int]:
    """How many statuses a deployer, whose duties are made as the program makes them, has for a
    signed command.
    """
    (tmp_path / "keys").write_text(public_line(KEY, ""))

    def take(
        change: Change = list,
        origin: Origin = HOME,
        scheme: Scheme = "both",
        until: int | None = None,
    ) -> int:
        outbox = Outbox()
        output = Output(TOPIC, COMMAND.subject, "event", COMMAND, NOON)
        Emitter(CODEC, "mendstream/test", ONE, Signer(KEY, origin, scheme)).output(output, outbox)
        ((_, _, key, value, headers),) = outbox.records
        assert isinstance(key, str)
        here = (
            str(tmp_path / "keys"),
            str(tmp_path / "state.json"),
            HOME.cluster,
            HOME.group,
            str(until or ""),
        )
        duties: Duties = request.param.duties_of(*here)
        return len(list(duties.take(TOPIC, key.encode(), value, change([*headers]))))

    return take


def in_place_of(name: str, text: bytes) -> Change:
    return lambda headers: [(each, text if each == name else had) for each, had in headers]


def without(*names: str) -> Change:
    return lambda headers: [(each, text) for each, text in headers if each not in names]


def swapped(headers: Headers) -> Headers:
    return in_place_of(SIGNATURE_2, dict(headers)[SIGNATURE])(headers)


def test_a_command_of_the_processor_is_carried_out(took: Callable[..., int]) -> None:
    assert took() == 2
    assert took() == 1, "it was done before"


@pytest.mark.parametrize("scheme", ["both", "2"])
def test_scheme_2_is_enough_and_is_what_counts(took: Callable[..., int], scheme: Scheme) -> None:
    assert took(in_place_of(SIGNATURE, b"AAAA"), scheme=scheme) == 2


@pytest.mark.parametrize(
    "change",
    [
        in_place_of(SIGNATURE_2, b"AAAA"),
        swapped,
        lambda headers: [*headers, (SIGNATURE_2, dict(headers)[SIGNATURE_2])],
        in_place_of(KEY_ID, key_id(OTHER.public_key().public_bytes_raw()).encode()),
        without(KEY_ID),
        without(SIGNATURE, SIGNATURE_2),
    ],
    ids=["forged", "of scheme 1", "twice", "another key", "no key", "unsigned"],
)
def test_what_is_forged_is_refused_without_a_word(took: Callable[..., int], change: Change) -> None:
    assert took(change) == 0


@pytest.mark.parametrize(
    "origin", [Origin("cluster-2", "mendstream"), Origin("cluster-1", "trial")]
)
def test_a_command_of_another_cluster_or_group_is_refused(
    took: Callable[..., int], origin: Origin
) -> None:
    assert took(origin=origin) == 0


def test_scheme_1_alone_is_obeyed_until_it_ends_and_that_is_said_once(
    took: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mendstream.verifier"):
        assert took(without(SIGNATURE_2)) == 2
        assert took(without(SIGNATURE_2)) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert "scheme 1 alone" in line
    assert "without an end" in line
    assert "scheme_1_until_ms" in line
    assert "MENDSTREAM_SIGNATURE_1_UNTIL" in line


def test_scheme_1_alone_is_refused_once_it_has_ended_and_nothing_is_said(
    took: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mendstream.verifier"):
        assert took(without(SIGNATURE_2), until=NOON) == 0
        assert took(until=NOON) == 2
    assert caplog.records == []


def test_the_end_that_is_stated_is_said(
    took: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mendstream.verifier"):
        assert took(without(SIGNATURE_2), until=LATE) == 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"until {LATE} ms" in line
