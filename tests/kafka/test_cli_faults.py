"""Each fault outside Mendstream is one sentence that says what is wrong and what to do, exit code
1, no traceback.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime.clock import monotonic
from tests.support.kafka.console import error, mendstream
from tests.support.kafka.running import own_topics, where

pytestmark = pytest.mark.kafka

ROWS = "when,arm,clicked\n2024-05-01T10:00:00Z,old,1\n2024-05-01T10:00:01Z,new,{}\n"
MAPS = (
    *(
        "--to",
        "results",
        "--map",
        "subject:=faults",
        "--map",
        "experiment_id:=e",
        "--map",
        "metric:=conversion",
    ),
    *("--map", "variant=arm", "--map", "sum=clicked", "--map", "occurred_at=when"),
)


@pytest.fixture(scope="module")
def here(kafka: str) -> Iterator[tuple[str, ...]]:
    with own_topics(kafka) as settings:
        yield where(settings)


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text(ROWS.format(0))
    return path


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An address where nothing listens, and nothing else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def test_an_unknown_file_is_named(here: tuple[str, ...]) -> None:
    assert error("publish", "clicks.csv", *MAPS, *here).startswith("There is no file clicks.csv.")
    assert error("spec", "apply", "spec.yaml", *here).startswith("There is no file spec.yaml.")
    assert error("config", "--config", "no.yaml").startswith("There is no settings file no.yaml.")


def test_a_wrong_map_is_answered_with_what_there_is(clicks: Path) -> None:
    def said(*maps: str) -> str:
        return error(
            "publish",
            clicks,
            "--to",
            "results",
            *(part for text in maps for part in ("--map", text)),
        )

    assert "names no column of the file. Its columns are when, arm, clicked." in said("sum=clicks")
    assert "names no field of ExperimentResult. Its fields are event_id, subject," in said(
        "summe=clicked"
    )
    assert "Write field=column, or field:=value" in said("sum")
    assert (
        "Nothing says where subject, experiment_id, metric, sum, occurred_at of ExperimentResult "
        "come from." in said("variant=arm")
    )


def test_a_bad_value_is_named_by_row_and_column(here: tuple[str, ...], clicks: Path) -> None:
    clicks.write_text(ROWS.format("yes"))
    assert error("publish", clicks, *MAPS, *here).startswith(
        "Row 2 of clicks.csv, column 'clicked': 'yes' is no number."
    )
    clicks.write_text(ROWS.format("nan"))
    assert error("publish", clicks, *MAPS, *here).startswith(
        "Row 2 of clicks.csv, column 'clicked': sum is nan."
    )
    clicks.write_text(ROWS.format(""))
    assert error("publish", clicks, *MAPS, *here).startswith(
        "Row 2 of clicks.csv, column 'clicked': it is empty."
    )
    clicks.write_text(ROWS.format("1,2,3"))
    assert error("publish", clicks, *MAPS, *here).startswith(
        "Row 2 of clicks.csv has not the columns of the first line."
    )


def test_a_file_of_another_kind_is_told(here: tuple[str, ...], tmp_path: Path) -> None:
    packed = tmp_path / "clicks.csv.gz"
    packed.write_text("not packed")
    assert "clicks.csv.gz cannot be read: Not a gzipped file" in error(
        "publish", packed, *MAPS, *here
    )
    (tmp_path / "rows.jsonl").write_text("{")
    assert "rows.jsonl cannot be read as JSON lines" in error(
        "publish", tmp_path / "rows.jsonl", *MAPS, *here
    )
    (tmp_path / "empty.csv").write_text("")
    assert "empty.csv has no rows." in error("publish", tmp_path / "empty.csv", *MAPS, *here)


def test_a_wrong_spec_is_not_applied(here: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("experiment_id: e\nsubject: s\ncontrol: a\ntreatment: b\n")
    assert "document 1 of spec.yaml has no field 'treatment'; there are event_id, " in error(
        "spec", "apply", path, *here
    )
    path.write_text("experiment_id: e\nsubject: s\ncontrol: a\ntreatments: [a]\n")
    assert "control 'a' is among the treatments" in error("spec", "apply", path, *here)
    path.write_text("experiment_id: e\nsubject: s\ncontrol: a\n")
    assert "document 1 of spec.yaml lacks treatments" in error("spec", "apply", path, *here)
    path.write_text("a: [")
    assert "spec.yaml is not YAML" in error("spec", "apply", path, *here)
    path.write_text("policy_id: p\nrollback: SOMETIMES\n")
    assert "spec.yaml, rollback: 'SOMETIMES' is none of OBSERVE, PROPOSE," in error(
        "policy", "apply", path, *here
    )


def test_another_partition_count_is_refused(here: tuple[str, ...]) -> None:
    for command in (("topics", "check"), ("topics", "create"), ("processor",), ("table", "arms")):
        said = error(*command, *here, "--partitions", "5", "--group", "faults", "--slot", "count")
        assert said.startswith(
            f"Topic {here[3]}experiments.results.v1 has 4 partitions, 5 are configured."
        )


def test_kafka_away_is_told_in_time(nobody: str, clicks: Path) -> None:
    began = monotonic()
    commands = (("publish", clicks, *MAPS), ("processor",))
    for command in commands:
        said = error(*command, "--bootstrap", nobody)
        assert said.startswith(f"No Kafka answers at {nobody}. Start one")
    assert monotonic() - began < 20.0 * len(commands)


def test_a_wrong_password_is_told() -> None:
    with EmbeddedKafka(users={"ann": "secret"}) as broker:
        env = {
            "MENDSTREAM_BOOTSTRAP": broker.bootstrap,
            "MENDSTREAM_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "MENDSTREAM_SASL_MECHANISM": "PLAIN",
            "MENDSTREAM_SASL_USERNAME": "ann",
            "MENDSTREAM_SASL_PASSWORD": "guess",
        }
        for command in (("topics", "create"), ("processor",), ("demo",)):
            said = error(*command, env=env)
            assert "refused the name or password of 'ann'. Set MENDSTREAM_SASL_USERNAME" in said
        assert (
            mendstream(
                "topics", "create", env=env | {"MENDSTREAM_SASL_PASSWORD": "secret"}
            ).returncode
            == 0
        )


def test_a_taken_port_is_told(here: tuple[str, ...]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        said = error(
            "processor",
            *here,
            "--group",
            "faults",
            "--slot",
            "port",
            env={"MENDSTREAM_HTTP_PORT": str(port)},
        )
        assert (
            said
            == f"Port {port} on 127.0.0.1 is taken. Set MENDSTREAM_HTTP_PORT to a free one, or to "
            "0 for any."
        )
        assert error("dev", "--port", str(port)).startswith(
            f"Port {port} of 127.0.0.1 cannot be used:"
        )


def test_no_network_for_the_jars_is_told(tmp_path: Path, nobody: str) -> None:
    proxies = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://{nobody}"
    )
    done = mendstream(
        "demo", env=proxies | {"MENDSTREAM_CACHE": str(tmp_path), "no_proxy": "", "NO_PROXY": ""}
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot be fetched from Maven Central" in said
    assert "set MENDSTREAM_BOOTSTRAP to a Kafka that runs" in said


def test_an_unknown_topic_is_answered_with_those_there_are(here: tuple[str, ...]) -> None:
    assert error("watch", "command", *here).startswith(
        "There is no topic 'command'. There are commands, experiments."
    )


def test_a_setting_out_of_range_is_told() -> None:
    assert error("config", env={"MENDSTREAM_COMMIT_MS": "soon"}).startswith(
        "The setting 'commit_ms' is wrong:"
    )
