"""Decisions made again from log and journal on a real Kafka, and what other policies would have
made of the same log.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from typer.testing import CliRunner

from schemas.catalog import COMMANDS, DECISIONS, METRICS, POLICIES, RESULTS, SPECS, STATUS
from schemas.ids import event_uuid, partition_of
from schemas.records import (
    Autonomy,
    CommandStatus,
    Decision,
    ExperimentResult,
    ExperimentStatus,
    ModelMetric,
    Order,
    Outcome,
    Policy,
    Status,
    Verdict,
)
from streams.cli.app import application
from streams.runtime.settings import Settings
from tests.support.builders import NOON, metric, result, spec
from tests.support.kafka.console import error, output
from tests.support.kafka.logs import CODEC, commands, ends_of, send, standing
from tests.support.kafka.running import Threaded, forget, own_topics, where

pytestmark = pytest.mark.kafka
RECORDED = Policy(
    event_id=event_uuid("recorded"),
    policy_id="all",
    retrain=Autonomy.AUTO,
    commands_per_hour=600,  # its subjects are new, and newcomers have a part of it
    reference_count=500,
    false_alarm_records=1e3,
)
Cli = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    """Topics on which a worker decided on five subjects and a deployer answered; nobody works there
    any more, and no test writes to them.
    """
    with decided_topics(kafka) as chosen:
        yield chosen


@pytest.fixture(scope="module")
def spoilt(kafka: str) -> Iterator[Settings]:
    """The same once more, for tests that forge and delete, each what concerns a subject of its own;
    the partition of `faint` is no other subject's.
    """
    with decided_topics(kafka) as chosen:
        yield chosen


@contextmanager
def decided_topics(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as chosen:
        send(chosen, POLICIES, [RECORDED], [RECORDED.policy_id])
        send(chosen, SPECS, [_spec("shop"), _spec("altered")])
        with Threaded(chosen) as worker:
            send(
                chosen,
                RESULTS,
                [*_arms("shop", 4_000, 5), *_arms("altered", 4_000, 5), *_arms("plain", 4_000, 4)],
            )
            send(chosen, RESULTS, _arms("faint", 1_400, 4))
            send(chosen, METRICS, _drift("model"))
            worker.takes_in(ends_of(chosen, RESULTS) | ends_of(chosen, METRICS))
            ended = replace(_spec("shop"), event_id="ended", status=ExperimentStatus.STOPPED)
            send(chosen, SPECS, [replace(_spec("shop"), event_id="again", alpha=0.01), ended])
            send(chosen, STATUS, [_completed(chosen, "shop")])
            send(chosen, RESULTS, _arms("shop", 200, 5, start=4_000))
            worker.takes_in(
                ends_of(chosen, SPECS) | ends_of(chosen, STATUS) | ends_of(chosen, RESULTS)
            )
        yield chosen


@pytest.fixture
def cli(settings: Settings, tmp_path: Path) -> Cli:
    return runner(settings, tmp_path)


@pytest.fixture
def cli_of_spoilt(spoilt: Settings, tmp_path: Path) -> Cli:
    return runner(spoilt, tmp_path)


def runner(settings: Settings, tmp_path: Path) -> Cli:
    """Runs a command in this process: its exit code, its JSON, what it printed."""

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
        file = tmp_path / "report.json"
        given = [*map(str, arguments), "--json", str(file), *where(settings)]
        done = CliRunner().invoke(
            application(), given, env={"COLUMNS": "120"}, catch_exceptions=False
        )
        assert done.stderr == ""
        return done.exit_code, json.loads(file.read_text()), done.stdout

    return run


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], Path]:
    """A file with a policy for all subjects that differs from the recorded one in these lines."""

    def write(lines: str) -> Path:
        terms = {
            "retrain": "AUTO",
            "commands_per_hour": "600",
            "reference_count": "500",
            "false_alarm_records": "1000",
        }
        terms |= dict(line.split(": ") for line in lines.splitlines())
        file = tmp_path / "policy.yaml"
        file.write_text(
            "policy_id: other\n" + "".join(f"{name}: {value}\n" for name, value in terms.items())
        )
        return file

    return write


def test_a_rollback_is_made_again_byte_for_byte(settings: Settings, cli: Cli) -> None:
    (decision,) = decided(settings, "shop", Verdict.HARM)
    code, report, said = cli("why", decision.decision_id, "--proof")
    assert (code, report["equal"], report["differences"]) == (0, True, [])
    assert decision.reason in " ".join(said.split())
    assert "byte-equal: decision and command" in said
    assert decision.command_id is not None
    assert decision.command_id in said
    (proof,) = decision.evidence
    assert report["replayed"]["after"] == f"{RESULTS}/{proof.partition} offset {proof.last_offset}"
    arms = report["replayed"]["rows"]["tables.arms.v1"]
    assert {arm["variant"] for arm in arms} == {"control", "b"}
    # As they stood: all units of the evidence and none after it, and the numbers that the decision
    # quotes.
    assert sum(arm["count"] for arm in arms) == proof.count < 8_000
    assert proof.log_e in {value for arm in arms for value in arm.values()}
    assert report["replayed"]["command"]["command_id"] == decision.command_id


def test_it_begins_with_the_reason_and_with_what_would_have_changed_it(
    settings: Settings, cli: Cli
) -> None:
    (decision,) = decided(settings, "shop", Verdict.HARM)
    _, report, said = cli("why", decision.decision_id)
    assert report["why"] == f"Why: {decision.reason}."
    changes = {each["name"]: each for each in report["replayed"]["changes"]}
    assert {"good units", "alpha"} <= changes.keys()
    assert changes["alpha"]["value"] < changes["alpha"]["now"] == 0.05
    assert report["what_would_change_it"].startswith("What would have changed it: ")
    assert changes["good units"]["phrase"] in report["what_would_change_it"]
    # All 8 000 results came after it; the effect at the verdict is that of the decision.
    assert report["now"].startswith("b, conversion: looks ")
    assert report["now"].endswith("; it is proved.")
    words = " ".join(said.split())
    assert words.startswith(f"{report['why']} {report['what_would_change_it']}"[:200])
    assert words.endswith("--proof shows the evidence, and the tables as they stood.")
    assert "tables.arms.v1" not in said


def test_an_experiment_says_where_it_stands(settings: Settings, cli: Cli) -> None:
    code, report, said = cli("why", "shop/exp")
    assert code == 0
    assert "Rollback of b was ordered." in report["why"]
    assert "Rollback of b was ordered." in said
    assert {row["variant"] for row in report["rows"]["tables.arms.v1"]} == {"control", "b"}
    assert error("why", "shop/nothing", *where(settings)) == (
        "There is no experiment 'shop/nothing' in tables.experiments.v1. `mendstream table "
        "experiments` lists all; name one as SUBJECT/EXPERIMENT."
    )


def test_the_beginning_of_an_id_is_enough(settings: Settings) -> None:
    (decision,) = decided(settings, "plain", Verdict.HARM)
    said = output("why", decision.decision_id[:8].upper(), "--proof", *where(settings))
    assert decision.decision_id in said
    assert "byte-equal" in said


def test_an_ignored_spec_is_explained_by_the_terms_that_stood(settings: Settings, cli: Cli) -> None:
    (decision,) = decided(settings, "shop", Verdict.IGNORED_SPEC)
    code, report, said = cli("why", decision.decision_id)
    assert (code, report["equal"]) == (0, True)
    assert "byte-equal: decision; no command was written with it" in said
    (experiment,) = report["replayed"]["rows"]["tables.experiments.v1"]
    # The spec after it, which ended the experiment, was not yet there, nor were the results after
    # that.
    assert (experiment["alpha"], experiment["status"]) == (0.05, "RUNNING")
    assert report["replayed"]["after"].startswith(f"{SPECS}/")
    assert sum(arm["count"] for arm in report["replayed"]["rows"]["tables.arms.v1"]) == 8_000


def test_a_watch_decision_is_explained_by_the_row_of_its_metric(
    settings: Settings, cli: Cli
) -> None:
    (decision,) = decided(settings, "model", Verdict.DRIFT)
    code, report, _ = cli("why", decision.decision_id)
    assert (code, report["equal"]) == (0, True)
    (row,) = report["replayed"]["rows"]["tables.metrics.v1"]
    (proof,) = decision.evidence
    (version,) = row["versions"]
    assert (row["subject"], row["metric"], version["model_version"]) == ("model", "error", "v1")
    assert {proof.last_offset, proof.log_e} <= {
        value for value in version.values() if not isinstance(value, list)
    }


def test_an_unknown_id_says_where_the_known_ones_are(settings: Settings) -> None:
    here = where(settings)
    assert error("why", "ffffffff-nothing", *here) == (
        "No decision in decisions.v1 has an id that begins with 'ffffffff-nothing'. "
        "`mendstream watch decisions --no-follow` lists all decisions."
    )
    assert error("why", "0123456", *here).startswith(
        "'0123456' is too short for an id. Give 8 characters or more;"
    )


def test_the_recorded_policy_itself_changes_nothing(
    settings: Settings, cli: Cli, given: Callable[[str], Path]
) -> None:
    code, report, _ = cli("backtest", "--policy", given("rollback: AUTO"))
    everything = len(standing(settings, DECISIONS))
    assert code == 0
    assert report["counts"] == counts(SAME=everything)
    assert report["commands"] == {
        "recorded": len(commands(settings)),
        "other": len(commands(settings)),
    }
    assert (report["differences"], report["statuses_refused"]) == ([], 0)


def test_a_policy_that_only_observes_issues_no_rollback(
    settings: Settings, cli: Cli, given: Callable[[str], Path]
) -> None:
    code, report, said = cli("backtest", "--policy", given("rollback: OBSERVE"))
    assert code == 0
    rollbacks = [each for each in decisions(settings) if each.order == Order.ROLLBACK]
    assert len(rollbacks) == 4
    changed = {
        (each["recorded"]["outcome"], each["other"]["outcome"]) for each in report["differences"]
    }
    assert changed == {("ISSUED", "OBSERVED")}
    assert {each["command"] for each in report["differences"]} == {"not issued"}
    assert report["counts"] == counts(CHANGED=4, SAME=len(decisions(settings)) - 4)
    assert report["commands"] == {"recorded": 5, "other": 1}
    assert report["statuses_refused"] == 1
    assert "1 recorded statuses were refused" in said


def test_under_a_stricter_level_a_rollback_falls_later_or_never(
    settings: Settings, cli: Cli, given: Callable[[str], Path]
) -> None:
    code, report, _ = cli("backtest", "--policy", given("alpha: 0.000001"))
    assert code == 0
    by_subject = {
        (each["recorded"] or each["other"])["subject"]: each for each in report["differences"]
    }
    assert {subject: each["kind"] for subject, each in by_subject.items()} == {
        "plain": "LATER",
        "faint": "ONLY_RECORDED",
    }
    plain = by_subject["plain"]
    before, after = (plain[side]["evidence"][0]["last_offset"] for side in ("recorded", "other"))
    assert before < after
    assert plain["recorded"]["decided_at"] <= plain["other"]["decided_at"]
    assert (plain["command"], by_subject["faint"]["command"]) == ("issued", "not issued")


def test_a_forged_decision_is_told_by_the_field_that_was_changed(
    spoilt: Settings, cli_of_spoilt: Cli
) -> None:
    (decision,) = decided(spoilt, "altered", Verdict.HARM)
    (proof,) = decision.evidence
    # Its evidence names an earlier record, so that a fold which trusts it would stop too early.
    forged = replace(
        decision, rule="a feeling", evidence=(replace(proof, last_offset=proof.last_offset - 3),)
    )
    send(spoilt, DECISIONS, [forged])
    code, report, said = cli_of_spoilt("why", decision.decision_id)
    changed = {
        "rule": ("a feeling", decision.rule),
        "evidence[0].last_offset": (proof.last_offset - 3, proof.last_offset),
    }
    assert (code, told(report)) == (1, changed | {"records": (2, 1)})
    assert "a feeling" in said
    assert "byte-equal" not in said
    # The forgery alone stands.
    forget(spoilt, [TopicPartition(DECISIONS, proof.partition, 1)])
    code, report, _ = cli_of_spoilt("why", decision.decision_id)
    assert (code, told(report)) == (1, changed)
    assert report["replayed"]["after"].endswith(f" offset {proof.last_offset}")
    assert sum(arm["count"] for arm in report["replayed"]["rows"]["tables.arms.v1"]) == proof.count


def test_a_decision_that_the_log_does_not_give_is_told(
    spoilt: Settings, cli_of_spoilt: Cli
) -> None:
    (decision,) = decided(spoilt, "shop", Verdict.HARM)
    send(
        spoilt,
        DECISIONS,
        [replace(decision, decision_id="invented-decision", outcome=Outcome.HELD)],
    )
    code, report, said = cli_of_spoilt("why", "invented-decision")
    assert (code, report["replayed"]) == (1, None)
    assert "Neither log nor journal gives this decision" in said
    assert told(report)["decision"] == ("stands", "not given")
    send(spoilt, DECISIONS, [replace(decision, decision_id="invented-another")])
    said = error("why", "invented", *where(spoilt))
    assert said.startswith("2 decisions have ids that begin with 'invented': invented-")
    assert said.endswith("Give more of it.")


def test_a_forged_command_is_told_by_its_field(spoilt: Settings, cli_of_spoilt: Cli) -> None:
    (decision,) = decided(spoilt, "plain", Verdict.HARM)
    (stands,) = [
        value for _, key, value in standing(spoilt, COMMANDS["ROLLBACK"]) if key == "plain"
    ]
    command = CODEC.decode("RollbackCommand", stands)
    send(spoilt, COMMANDS["ROLLBACK"], [replace(command, variant="control")])
    code, report, _ = cli_of_spoilt("why", decision.decision_id)
    assert code == 1
    assert told(report) == {"variant": ("control", "b"), "records": (2, 1)}


def test_a_log_that_was_not_kept_is_told(spoilt: Settings, tmp_path: Path) -> None:
    (decision,) = decided(spoilt, "faint", Verdict.HARM)
    partition = partition_of("faint", spoilt.partitions)
    forget(spoilt, [TopicPartition(RESULTS, partition, 5)])
    wanted = (
        f"{RESULTS}/{partition} begins at offset 5; the journal needs 0. The log was not kept "
        "that long"
    )
    here = where(spoilt)
    assert error("why", decision.decision_id, *here).startswith(wanted)
    (tmp_path / "policy.yaml").write_text("policy_id: other\n")
    assert "begins at offset" in error("backtest", "--policy", tmp_path / "policy.yaml", *here)


def told(report: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What a report says differs: by field, as stored and as replayed."""
    return {each["field"]: (each["stored"], each["replayed"]) for each in report["differences"]}


def counts(**more: int) -> dict[str, int]:
    names = ("SAME", "CHANGED", "EARLIER", "LATER", "ONLY_RECORDED", "ONLY_OTHER")
    return dict.fromkeys(names, 0) | more


def decisions(settings: Settings) -> list[Decision]:
    found = [CODEC.decode("Decision", value) for _, _, value in standing(settings, DECISIONS)]
    return [each for each in found if isinstance(each, Decision)]


def decided(settings: Settings, subject: str, verdict: Verdict) -> list[Decision]:
    """The decisions of a subject as the worker wrote them; forged ones come later, and say the same
    verdict.
    """
    found: dict[str, Decision] = {}
    for each in decisions(settings):
        if (
            each.subject == subject
            and each.verdict == verdict
            and not each.decision_id.startswith("invented")
        ):
            found.setdefault(each.decision_id, each)
    return list(found.values())


def _spec(subject: str) -> Any:
    return spec(event_id=f"spec {subject}", subject=subject)


def _arms(subject: str, n: int, every: int, start: int = 0) -> list[ExperimentResult]:
    """n results of each arm: of control every third succeeds, of b one of `every`."""
    return [
        result(
            subject=subject,
            event_id=event_uuid(subject, i, variant),
            variant=variant,
            sum=float(i % each == 0),
        )
        for i in range(start, start + n)
        for variant, each in (("control", 3), ("b", every))
    ]


def _drift(subject: str) -> list[ModelMetric]:
    """A model whose errors rise from one in ten to one in two."""
    rates = [10] * 600 + [2] * 300
    return [
        metric(subject=subject, event_id=event_uuid(subject, i), sum=float(i % each == 0))
        for i, each in enumerate(rates)
    ]


def _completed(settings: Settings, subject: str) -> CommandStatus:
    (command,) = [each for each in commands(settings) if each.subject == subject]
    return CommandStatus(
        event_id=event_uuid("completed", subject),
        command_id=command.command_id,
        subject=subject,
        status=Status.COMPLETED,
        fencing_token=command.fencing_token,
        reported_at=NOON,
        reporter="deployer",
    )
