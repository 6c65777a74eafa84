"""What the command line says of the records that it wrote, against a real Kafka with a processor
and without.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli.app import application
from tests.support.kafka.running import Threaded, own_topics, where

pytestmark = pytest.mark.kafka
ROWS = 300
SHOP = (
    "--to",
    "results",
    "--map",
    "subject:=shop",
    "--map",
    "variant=arm",
    "--map",
    "occurred_at=ts",
)
EXPERIMENT = ("--map", "experiment_id:=wide")
SPEC = """\
experiment_id: {name}
subject: bot
control: old
treatments: [new]
min_count: {least}
metrics: [{{name: error, role: GUARDRAIL, direction: LOWER_IS_BETTER, kind: RATE}}]
"""


@pytest.fixture(scope="module")
def at(kafka: str) -> Iterator[tuple[str, ...]]:
    """The option that names a broker with a running processor."""
    with own_topics(kafka, partitions=1) as settings, Threaded(settings):
        yield where(settings)


def run(*arguments: str | Path) -> Result:
    """A command in this process, which costs a tenth of one of its own."""
    return CliRunner().invoke(
        application(), [*map(str, arguments)], env={"COLUMNS": "120"}, catch_exceptions=False
    )


def output(*arguments: str | Path) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def wide(path: Path, day: int) -> Path:
    """A file of one day with three metrics in each row."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ts", "arm", "conversion", "revenue", "load"])
        for n in range(ROWS):
            writer.writerow(
                [f"2024-05-{day:02} 00:{n // 60:02}:{n % 60:02}", "ab"[n % 2], n % 2, n % 7, n % 5]
            )
    return path


def last(*arguments: str | Path) -> str:
    return output("publish", *arguments).splitlines()[-1].split("/s: ")[1]


def test_three_metrics_two_days_and_twice_the_same(at: tuple[str, ...], tmp_path: Path) -> None:
    path = wide(tmp_path / "day.csv", 1)
    for metric in ("conversion", "revenue", "load"):
        said = last(
            path, *SHOP, *EXPERIMENT, "--map", f"metric:={metric}", "--map", f"sum={metric}", *at
        )
        assert said == f"{ROWS} new, 0 known already, 0 refused, 0 not taken in yet"
    conversion = ("--map", "metric:=conversion", "--map", "sum=conversion")
    again = last(path, *SHOP, *EXPERIMENT, *conversion, *at)
    assert again == f"0 new, {ROWS} known already, 0 refused, 0 not taken in yet"
    second = last(wide(path, 2), *SHOP, *EXPERIMENT, *conversion, *at)
    assert second == f"{ROWS} new, 0 known already, 0 refused, 0 not taken in yet"


def test_what_is_refused_is_told_with_its_reason(at: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "half.csv"
    path.write_text("ts,arm,error\n1700000000000,a,0.5\n1700000000001,b,1\n")
    done = run(
        "publish",
        path,
        *SHOP,
        "--map",
        "experiment_id:=half",
        "--map",
        "metric:=error",
        "--map",
        "sum=error",
        *at,
    )
    reason, told = done.output.splitlines()
    assert done.exit_code == 1
    assert reason.startswith("NOT_A_COUNT: the sum of a RATE")
    assert told.endswith("1 new, 0 known already, 1 refused (NOT_A_COUNT 1), 0 not taken in yet")


def test_the_last_spec_stands_whatever_was_applied_before(
    at: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    for least in (100, 200, 100):
        path.write_text(SPEC.format(name="aba", least=least))
        assert "spec aba of bot applied" in output("spec", "apply", path, *at)
        assert f'"min_count": {least}' in output("table", "experiments", "--subject", "bot", *at)


def test_a_spec_that_comes_too_late_is_not_called_applied(
    at: tuple[str, ...], tmp_path: Path
) -> None:
    path, rows = tmp_path / "spec.yaml", tmp_path / "rows.csv"
    rows.write_text("ts,arm,error\n1700000000000,old,0\n")
    bot = (
        "--to",
        "results",
        "--map",
        "subject:=bot",
        "--map",
        "variant=arm",
        "--map",
        "occurred_at=ts",
    )
    last(
        rows,
        *bot,
        "--map",
        "experiment_id:=late",
        "--map",
        "metric:=error",
        "--map",
        "sum=error",
        *at,
    )
    path.write_text(SPEC.format(name="late", least=300))
    done = run("spec", "apply", path, *at)
    assert (done.exit_code, "its terms stand" in done.output) == (1, True)
    assert "applied" not in done.output


def test_an_id_that_came_before_is_said(at: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("event_id: one\n" + SPEC.format(name="given", least=100))
    assert "applied" in output("spec", "apply", path, *at)
    assert "known already: a record with the same event_id came before" in output(
        "spec", "apply", path, *at
    )


def test_without_a_processor_nothing_is_called_applied(kafka: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("policy_id: shop\n")
    with own_topics(kafka, partitions=1) as settings:
        here = where(settings)
        said = last(
            wide(tmp_path / "day.csv", 1),
            *SHOP,
            *EXPERIMENT,
            "--map",
            "metric:=m",
            "--map",
            "sum=load",
            "--wait",
            "1",
            *here,
        )
        assert said.endswith(f"0 refused, {ROWS} not taken in yet (no processor has passed them)")
        told = output("policy", "apply", path, *here)
        assert "published, not in force yet: no processor has taken it in" in told
