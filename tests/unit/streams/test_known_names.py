"""An order for what nobody ever saw is doubted, with what may have been meant."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.codec.framing import Record
from schemas.records import Request, RequestKind
from streams.cli import order_commands
from streams.operations.known_names import unknown_among
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.samples import sample


def made(kind: str, **fields: Any) -> Record:
    return replace(sample(kind), **fields)


ROWS = [
    made("SubjectRow", subject="shop"),
    made("SubjectRow", subject="shop-eu"),
    made("SubjectRow", subject="bot"),
    made("CommandRow", subject="shop", model_version="v6"),
    made("ExperimentRow", subject="shop", candidate_version="v7", baseline_version=None),
    made("MetricRow", subject="shop", versions=(replace(sample("MetricRow").versions[0],  # type: ignore[attr-defined]
                                                        model_version="v5"),)),
]  # fmt: skip


def asks(**fields: Any) -> Request:
    return Request(
        event_id="r", kind=RequestKind.DEPLOY, requested_by="ann", requested_at=0, **fields
    )


@pytest.mark.parametrize("version", ["v5", "v6", "v7", None])
def test_what_a_table_holds_is_not_doubted(version: str | None) -> None:
    assert unknown_among(ROWS, asks(subject="shop", to_version=version)) is None


def test_a_subject_that_is_not_there_is_told_with_the_nearest() -> None:
    found = unknown_among(ROWS, asks(subject="shopp", to_version="v6"))
    assert found is not None
    assert found.sentence() == "Nobody ever saw subject 'shopp' (there is shop, shop-eu)."


def test_a_version_that_is_not_there_is_told_with_the_nearest() -> None:
    found = unknown_among(ROWS, asks(subject="shop", to_version="v66"))
    assert found is not None
    assert found.sentence().startswith("Nobody ever saw version of shop 'v66' (there is v6")
    of_model = unknown_among(ROWS, asks(subject="shop", model_version="x"))
    assert of_model is not None


def test_where_no_version_is_known_none_is_doubted() -> None:
    assert unknown_among(ROWS, asks(subject="bot", to_version="v1")) is None


def test_an_order_does_not_wait_for_tables_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any) -> None:
        raise MendstreamError("A transaction holds them back.", "End it.")

    monkeypatch.setattr(order_commands, "unknown_name", away)
    assert order_commands._unknown(Settings(), asks(subject="shop", to_version="v6")) is None
    assert "not looked at whether shop is known: A transaction" in capsys.readouterr().err
