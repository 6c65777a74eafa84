"""`mendstream spec apply` and `mendstream policy apply`: what is written in YAML, onto its
topic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.alerts.alert_metrics import check_policy
from agents.experiments.plan.specs import in_force
from schemas.catalog import POLICIES, SPECS, TABLES_EXPERIMENTS
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import ExperimentRow, ExperimentSpec, Policy
from schemas.validation.spec_checks import check_spec
from state.storage.table import row_key
from streams.cli.support.delivery import deliver, doubt
from streams.cli.support.options import Given, command
from streams.files.parsing import FormError, build
from streams.files.rendering import line, plain
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import say
from streams.runtime.yaml_files import documents

_File = Annotated[Path, typer.Argument(help="YAML, one document or several.", show_default=False)]
_SPEC = """\
Example of a file:

experiment_id: checkout-2 · subject: shop · control: old · treatments: [new] ·
share_steps: [{shares: [{variant: old, share: 0.5}, {variant: new, share: 0.5}]}] ·
metrics: [{name: conversion, role: GOAL, direction: HIGHER_IS_BETTER, kind: RATE}]

A spec stands from the first result on: apply it before results come, with **mendstream spec apply
checkout-2.yaml**.
"""
_POLICY = """\
Example of a file:

policy_id: shop · subjects: ["shop-*"] · rollback: AUTO · deploy: APPROVE · retrain: AUTO · improve:
PROPOSE

The policy that names a subject most exactly governs it. The same policy_id again replaces the
policy. Example: **mendstream policy apply shop.yaml**
"""


def register(app: typer.Typer) -> None:
    spec = typer.Typer(help="What experiments compare, and how.", no_args_is_help=True)
    policy = typer.Typer(help="How much Mendstream may do by itself.", no_args_is_help=True)
    command(spec, "apply", epilog=_SPEC)(apply_specs)
    command(policy, "apply", epilog=_POLICY)(apply_policies)
    app.add_typer(spec, name="spec")
    app.add_typer(policy, name="policy")


def apply_specs(given: Given, file: _File) -> int | None:
    """Publish experiment specs from a YAML file."""
    specs, settings = read_specs(file), given.settings()
    said = doubt(deliver(settings, SPECS, [(spec.subject, spec) for spec in specs]))
    rows = (
        {}
        if said
        else read_table(
            settings, codec_for(settings), TABLES_EXPERIMENTS, partial(_all_in_force, specs)
        )
    )
    ignored = False
    for spec in specs:
        name = f"spec {spec.experiment_id} of {spec.subject}"
        if said:
            say(f"{name} published, {said}")
        elif _in_force(spec, rows):
            say(f"{name} applied ({spec.event_id})")
        else:
            ignored = True
            say(
                f"{name} ignored: it has results already, its terms stand; start a new "
                "experiment_id"
            )
    return 1 if ignored else None


def _all_in_force(specs: Sequence[ExperimentSpec], rows: Mapping[str, Record]) -> bool:
    return all(_in_force(spec, rows) for spec in specs)


def _in_force(spec: ExperimentSpec, rows: Mapping[str, Record]) -> bool:
    row = rows.get(row_key(spec.subject, spec.experiment_id))
    return isinstance(row, ExperimentRow) and in_force(spec, row)


def apply_policies(given: Given, file: _File) -> None:
    """Publish policies from a YAML file."""
    policies = read_policies(file)
    said = doubt(
        deliver(given.settings(), POLICIES, [(policy.policy_id, policy) for policy in policies])
    )
    for policy in policies:
        name = f"policy {policy.policy_id} for {', '.join(policy.subjects)}"
        say(f"{name} published, {said}" if said else f"{name} applied ({policy.event_id})")


def read_specs(file: Path) -> list[ExperimentSpec]:
    """The specs of a file. Raises MendstreamError for what is not one."""
    return [_checked(ExperimentSpec, each, check_spec, file, n) for n, each in _documents(file)]


def read_policies(file: Path) -> list[Policy]:
    """The policies of a file. Raises MendstreamError for what is not one."""
    return [_checked(Policy, each, check_policy, file, n) for n, each in _documents(file)]


def _documents(file: Path) -> Sequence[tuple[int, object]]:
    found = [(number, each) for number, each in enumerate(documents(file), 1) if each is not None]
    if not found:
        raise MendstreamError(
            f"{file.name} is empty.", "Write a document; `mendstream spec apply --help` shows one."
        )
    return found


def _checked(
    record: type[Any],
    written: object,
    faults_of: Callable[[Any], list[tuple[Any, str]]],
    file: Path,
    number: int,
) -> Any:
    """A record whose id covers its content and this moment: what is applied last stands, whatever
    was applied before.
    """
    where = f"document {number} of {file.name}"
    given_id = isinstance(written, dict) and "event_id" in written
    try:
        made = build(
            record, {"event_id": "", **written} if isinstance(written, dict) else written, where
        )
    except FormError as error:
        raise MendstreamError(f"{error}.", "Mend the file; nothing was applied.") from error
    if not given_id:
        made = replace(made, event_id=event_uuid(record.__name__, line(plain(made)), now_ms()))
    faults = faults_of(made)
    if faults:
        told = "; ".join(sentence for _, sentence in faults)
        raise MendstreamError(f"{where}: {told}.", "Mend the file; nothing was applied.")
    return made
