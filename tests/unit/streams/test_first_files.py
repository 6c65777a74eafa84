"""The files that an experiment begins with: as they are asked for, and taken as they stand."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.records import Autonomy, Direction, MetricKind
from streams.cli.app import application
from streams.cli.apply_commands import read_policies, read_specs

GIVEN = (
    "init", "--name", "acme/shop/checkout", "--metric", "revenue mean", "--higher-is-better",
    "--control", "old", "--treatment", "new", "--share", "10", "--no-rollback",
)  # fmt: skip


def run(*words: str, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(application(), [*words], input=stdin)
    return result.exit_code, result.output


def test_what_is_written_is_what_was_asked_for_and_is_taken(tmp_path: Path) -> None:
    code, said = run(*GIVEN, "--directory", str(tmp_path / "new"))
    assert code == 0, said
    (spec,) = read_specs(tmp_path / "new" / "experiment.yaml")
    assert (spec.subject, spec.experiment_id) == ("acme/shop", "checkout")
    assert (spec.control, spec.treatments) == ("old", ("new",))
    (metric,) = spec.metrics
    assert (metric.name, metric.kind) == ("revenue", MetricKind.MEAN)
    assert metric.direction == Direction.HIGHER_IS_BETTER
    shares = {one.variant: one.share for one in spec.share_steps[0].shares}
    assert shares == {"old": 0.9, "new": 0.1}
    (policy,) = read_policies(tmp_path / "new" / "policy.yaml")
    assert (policy.subjects, policy.rollback) == (("acme/shop",), Autonomy.APPROVE)
    assert policy.deploy == Autonomy.APPROVE
    assert "mendstream spec apply" in said
    assert "revenue is better when higher" in said


def test_it_asks_for_what_is_not_given(tmp_path: Path) -> None:
    answers = "shop/button\nerrors\nn\n\n\n0\ny\n"
    code, said = run("init", "--directory", str(tmp_path), stdin=answers)
    assert code == 0, said
    (spec,) = read_specs(tmp_path / "experiment.yaml")
    assert (spec.control, spec.treatments) == ("control", ("treatment",))
    assert spec.metrics[0].direction == Direction.LOWER_IS_BETTER
    assert spec.metrics[0].kind == MetricKind.RATE
    assert spec.share_steps == ()
    (policy,) = read_policies(tmp_path / "policy.yaml")
    assert policy.rollback == Autonomy.AUTO


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("mine")
    code, said = run(*GIVEN, "--directory", str(tmp_path))
    assert code != 0
    assert "is there already" in said
    assert (tmp_path / "policy.yaml").read_text() == "mine"
    assert not (tmp_path / "experiment.yaml").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--name", "checkout", "is no SUBJECT/EXPERIMENT"), ("--metric", "a gauge", "is no kind")],
)
def test_what_is_no_answer_is_told(option: str, value: str, said: str, tmp_path: Path) -> None:
    code, told = run(*GIVEN, option, value, "--directory", str(tmp_path))
    assert code != 0
    assert said in told
    assert list(tmp_path.iterdir()) == []
