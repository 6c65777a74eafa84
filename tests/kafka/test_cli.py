"""The command line against a real Kafka: from an empty broker to a command on its topic."""

import csv
import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from schemas.catalog import DEAD_LETTERS, JOURNAL, METRICS, RESULTS
from schemas.codec.framing import frame
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, end_offsets
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker
from tests.support.kafka.console import ROOT, environment, error, lines, output
from tests.support.kafka.running import own_topics, where

pytestmark = pytest.mark.kafka
SECONDS = 60.0

SPEC = """\
experiment_id: checkout
subject: shop
control: old
treatments: [new]
share_steps: [{shares: [{variant: old, share: 0.5}, {variant: new, share: 0.5}]}]
metrics: [{name: conversion, role: GOAL, direction: HIGHER_IS_BETTER, kind: RATE}]
"""
POLICY = "policy_id: shop\nsubjects: [shop]\nrollback: AUTO\n"
CLICKS = (
    "--to",
    "results",
    "--map",
    "subject:=shop",
    "--map",
    "experiment_id:=checkout",
    "--map",
    "metric:=conversion",
)
COLUMNS = ("--map", "variant=arm", "--map", "sum=clicked", "--map", "occurred_at=ts")


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka, made=False) as chosen:
        yield chosen


@pytest.fixture(scope="module")
def here(settings: Settings) -> tuple[str, ...]:
    """The options that name the installation, which has its topics."""
    options = where(settings)
    created = output("topics", "create", *options).splitlines()
    assert f"created {settings.topic('commands.retrain.v1')}" in created
    return options


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 000 clicks: 2 of 10 on the old arm, 1 of 10 on the new."""
    path = tmp_path_factory.mktemp("clicks") / "clicks.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts", "arm", "clicked"])
        for n in range(4_000):
            at = f"2024-05-01 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}"
            writer.writerow([at, "old", int(n % 5 == 0)])
            writer.writerow([at, "new", int(n % 10 == 0)])
    return path


@pytest.fixture(scope="module")
def judged(
    settings: Settings,
    here: tuple[str, ...],
    clicks: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, ...]]:
    """Topics where a policy, a spec and the clicks were published, and a processor has taken them
    in.
    """
    home = tmp_path_factory.mktemp("files")
    (home / "spec.yaml").write_text(SPEC)
    (home / "policy.yaml").write_text(POLICY)

    def taken_in() -> bool:
        return bool(sum(row["count"] for row in lines("table", "arms", "--json", *here)) == 8_000)

    journal = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
    with Worker(settings, home / "log"):
        assert wait_until(lambda: min(end_offsets(admin(settings), journal).values()) > 0, SECONDS)
        assert "policy shop for shop applied" in output(
            "policy", "apply", home / "policy.yaml", *here
        )
        assert "spec checkout of shop applied" in output("spec", "apply", home / "spec.yaml", *here)
        said = output(*here, "publish", clicks, *CLICKS, *COLUMNS)
        assert said.startswith(f"8000 records to {RESULTS}")
        assert said.endswith("8000 new, 0 known already, 0 refused, 0 not taken in yet\n")
        assert wait_until(taken_in, SECONDS), (home / "log").read_text()
        yield here


def test_creating_topics_twice_changes_nothing(settings: Settings, here: tuple[str, ...]) -> None:
    assert output("topics", "create", *here) == "all topics are there\n"
    assert output("topics", "check", *here) == "all topics are there with 4 partitions\n"
    described = {row["topic"]: row for row in lines("topics", "describe", *here)}
    assert described[settings.topic(METRICS)]["record"] == "ModelMetric"
    assert {row["configured otherwise"] for row in described.values()} == {""}


def test_a_worse_variant_in_a_file_becomes_one_rollback(judged: tuple[str, ...]) -> None:
    (found,) = lines("watch", "commands", "--no-follow", *judged)
    assert found["topic"] == "commands.rollback.v1"
    assert found["key"] == "shop"
    assert found["value"]["variant"] == "new"
    assert "roll back" in found["value"]["reason"]
    (row,) = lines("table", "commands", *judged)
    assert row["command_id"] == found["value"]["command_id"]


def test_a_table_shows_the_totals_of_the_file(judged: tuple[str, ...]) -> None:
    rows = {row["variant"]: row for row in lines("table", "arms", "--subject", "shop", *judged)}
    assert {name: (row["count"], row["hits"]) for name, row in rows.items()} == {
        "old": (4_000, 800),
        "new": (4_000, 400),
    }


def test_tables_and_topics_are_written_as_csv_of_chosen_columns(judged: tuple[str, ...]) -> None:
    chosen = ("--columns", "variant,count,hits", "--format", "csv")
    told = output("table", "arms", "--subject", "shop", *chosen, *judged).splitlines()
    assert sorted(told) == ["new,4000,400", "old,4000,800", "variant,count,hits"]
    (command,) = lines("watch", "commands", "--no-follow", *judged)
    chosen = ("--columns", "key,variant,offset", "--format", "csv")
    told = output("watch", "commands", "--no-follow", *chosen, *judged).splitlines()
    assert told == ["key,variant,offset", f"shop,new,{command['offset']}"]
    assert error("table", "arms", "--columns", "varient", *judged).startswith(
        "There is no field 'varient'. There are variant"
    )


def test_publishing_a_file_again_gives_the_same_ids(judged: tuple[str, ...], clicks: Path) -> None:
    assert "0 new, 8000 known already" in output("publish", clicks, *CLICKS, *COLUMNS, *judged)
    found = lines("watch", RESULTS, "--no-follow", "--key", "shop", *judged)
    ids = [record["value"]["event_id"] for record in found]
    assert len(ids) == 16_000
    assert ids[:8_000] == ids[8_000:]
    first = found[0]["value"]
    assert (first["variant"], first["sum"], first["occurred_at"]) == ("old", 1.0, 1_714_521_600_000)


def test_json_lines_need_no_map_where_fields_have_their_names(
    here: tuple[str, ...], tmp_path: Path
) -> None:
    rows = [
        {
            "subject": "lines",
            "model_version": "v1",
            "metric": "error",
            "sum": 1,
            "occurred_at": 1_700_000_000_000,
        },
        {
            "subject": "lines",
            "model_version": "v1",
            "metric": "error",
            "sum": 0,
            "segment": "a",
            "occurred_at": "2024-01-01",
        },
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    output("publish", tmp_path / "rows.jsonl", "--to", "metrics", *here)
    found = [
        record["value"]
        for record in lines("watch", "models.metrics", "--no-follow", "--key", "lines", *here)
    ]
    assert [(each["sum"], each["segment"], each["occurred_at"]) for each in found] == [
        (1.0, None, 1_700_000_000_000),
        (0.0, "a", 1_704_067_200_000),
    ]


def test_a_dry_run_publishes_nothing(here: tuple[str, ...], clicks: Path) -> None:
    said = output(
        "publish",
        clicks,
        "--dry-run",
        "--map",
        "subject:=dry",
        *CLICKS[:2],
        *CLICKS[4:],
        *COLUMNS,
        *here,
    )
    assert said.startswith("8000 rows of clicks.csv.gz are good")
    assert lines("watch", RESULTS, "--no-follow", "--key", "dry", *here) == []


def test_watching_tells_what_cannot_be_decoded_and_why_it_was_refused(
    settings: Settings,
    judged: tuple[str, ...],
) -> None:
    _send(settings, METRICS, frame(77, b"\xff\x1b[2J"), "odd")
    (unknown,) = lines("watch", METRICS, "--no-follow", "--key", "odd", *judged)
    assert unknown["unknown_schema_id"] == 77
    assert unknown["problem"].startswith("UNKNOWN_SCHEMA")
    (dead,) = lines("watch", DEAD_LETTERS, "--limit", "1", "--key", "odd", *judged)
    assert dead["headers"]["mendstream-reason"] == "UNKNOWN_SCHEMA"
    assert dead["value"] == "\\x00\\x00\\x00\\x00M\\xff\\x1b[2J"


def test_following_waits_for_the_next_record(settings: Settings, here: tuple[str, ...]) -> None:
    command = [
        sys.executable,
        "-m",
        "streams",
        "watch",
        RESULTS,
        "--key",
        "late",
        "--limit",
        "1",
        *here,
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as watching:
        _send(settings, RESULTS, b"anything", "late")
        said, _ = watching.communicate(timeout=SECONDS)
    assert watching.returncode == 0
    assert json.loads(said)["key"] == "late"


def test_settings_say_where_they_come_from_and_hide_secrets(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("partitions: 12\ngroup: from-file\n")
    env = {"MENDSTREAM_GROUP": "from-env", "MENDSTREAM_SASL_PASSWORD": "opensesame"}
    said = output(
        "config", "--json", "--config", tmp_path / "settings.yaml", "--slot", "7", env=env
    )
    shown = json.loads(said)
    assert shown["partitions"] == {"value": "12", "from": str(tmp_path / "settings.yaml")}
    assert shown["group"] == {"value": "from-env", "from": "MENDSTREAM_GROUP"}
    assert shown["slot"] == {"value": "7", "from": "--slot"}
    assert shown["batch"]["from"] == "default"
    assert "opensesame" not in said


def test_options_may_stand_before_or_after_the_command() -> None:
    before = json.loads(output("--group", "mine", "config", "--json"))
    after = json.loads(output("config", "--json", "--group", "mine"))
    assert before == after
    assert before["group"]["value"] == "mine"


@contextmanager
def dev(log: Path, *options: str) -> Iterator[str]:
    """`mendstream dev` until the block ends; gives its Kafka's address, once it is at work."""
    with log.open("wb") as file:
        command = [sys.executable, "-m", "streams", "dev", "--port", "0", *options]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(), stderr=file, start_new_session=True
        ) as running:
            try:
                assert wait_until(lambda: "restored" in log.read_text(), SECONDS), log.read_text()
                yield log.read_text().split("Kafka is at ")[1].split(",")[0]
            finally:
                running.send_signal(signal.SIGINT)
            assert running.wait(SECONDS) == 130


def policies(bootstrap: str) -> list[dict[str, Any]]:
    return lines("table", "policies", "--bootstrap", bootstrap)


def test_dev_brings_all_of_it_and_goes_on_where_it_was_if_it_keeps_its_data(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "kept"
    (tmp_path / "policy.yaml").write_text(POLICY)
    with dev(tmp_path / "first", "--data-dir", str(kept)) as bootstrap:
        assert output("topics", "check", "--bootstrap", bootstrap)
        output("policy", "apply", str(tmp_path / "policy.yaml"), "--bootstrap", bootstrap)
        assert wait_until(lambda: len(policies(bootstrap)) == 1, SECONDS)
    said = (tmp_path / "first").read_text()
    assert f"the data stay in {kept}" in said
    assert '"message": "stopped"' in said
    with dev(tmp_path / "second", "--data-dir", str(kept)) as bootstrap:
        (row,) = policies(bootstrap)
        assert row["policy_id"] == "shop"


def _send(settings: Settings, topic: str, value: bytes, key: str) -> None:
    producer = backend_of(settings).producer(settings.client())
    producer.produce(topic, value=value, key=key)
    assert producer.flush(SECONDS) == 0
