"""Writes the files that an experiment begins with: its spec and its policy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schemas.records import Autonomy, Direction, MetricKind
from streams.runtime.errors import MendstreamError, cannot_write

SPEC_FILE, POLICY_FILE = "experiment.yaml", "policy.yaml"
_SPEC_HEAD = """\
# What is compared, and how. It stands from the first result on:
#   mendstream spec apply {file}
# Every field: docs/policies.md and docs/reference/records.md (ExperimentSpec).
"""
_POLICY_HEAD = """\
# How much Mendstream may do by itself. The same policy_id again replaces it:
#   mendstream policy apply {file}
# Every field: docs/policies.md.
"""


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """What is asked. share: of the treatment, 0 to 1; None: nobody knows it. rollback: whether a
    treatment that harms is rolled back without a person.
    """

    subject: str
    experiment_id: str
    control: str
    treatment: str
    metric: str
    kind: MetricKind
    direction: Direction
    share: float | None
    rollback: bool


def spec_of(answers: FirstAnswers) -> dict[str, Any]:
    """The spec as it is written."""
    spec: dict[str, Any] = {
        "experiment_id": answers.experiment_id,
        "subject": answers.subject,
        "control": answers.control,
        "treatments": [answers.treatment],
    }
    if answers.share is not None:
        shares = {answers.control: 1.0 - answers.share, answers.treatment: answers.share}
        steps = [{"variant": name, "share": round(share, 6)} for name, share in shares.items()]
        spec["share_steps"] = [{"shares": steps}]
    spec["metrics"] = [
        {
            "name": answers.metric,
            "role": "GOAL",
            "direction": str(answers.direction),
            "kind": str(answers.kind),
        }
    ]
    return spec


def policy_of(answers: FirstAnswers) -> dict[str, Any]:
    """The policy as it is written: a deployment asks a person."""
    return {
        "policy_id": answers.subject.replace("/", "-"),
        "subjects": [answers.subject],
        "rollback": str(Autonomy.AUTO if answers.rollback else Autonomy.APPROVE),
        "deploy": str(Autonomy.APPROVE),
        "retrain": str(Autonomy.APPROVE),
        "improve": str(Autonomy.PROPOSE),
    }


def write_files(answers: FirstAnswers, directory: Path) -> list[Path]:
    """Writes both files, neither where one of them is there already. Raises MendstreamError."""
    files = {
        directory / SPEC_FILE: (_SPEC_HEAD, spec_of(answers)),
        directory / POLICY_FILE: (_POLICY_HEAD, policy_of(answers)),
    }
    there = [file for file in files if file.exists()]
    if there:
        raise MendstreamError(
            f"{there[0]} is there already; nothing was written.",
            "Move it away, or name another --directory.",
        )
    for file, (head, written) in files.items():
        text = head.format(file=file) + yaml.safe_dump(written, sort_keys=False)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise cannot_write(file, error, "Name another --directory.") from error
    return list(files)
