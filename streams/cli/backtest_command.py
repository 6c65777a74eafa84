"""`mendstream backtest`: what another policy would have decided."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from schemas.records import Decision, Policy
from streams.cli.apply_commands import read_policies
from streams.cli.support.options import Given, command
from streams.cli.support.output import JsonFile, progress, write
from streams.files.rendering import plain, short_moment
from streams.history.backtest import Backtest, backtest
from streams.history.decision_diff import Comparison, DecisionPair, issued
from streams.runtime.terminal import Screen, table

_SHOWN = 200  # decisions on the screen; --json has all
_EPILOG = """\
Example: **mendstream backtest --policy stricter.yaml** - the file is written as for **mendstream
policy apply**.

The recorded policies are left out and the given ones are in force from the beginning. Specs stand
as recorded: what they fix (alpha, autonomy) no policy changes.
"""
_MEANINGS = {
    Comparison.SAME: "the same",
    Comparison.CHANGED: "decided otherwise",
    Comparison.EARLIER: "falls earlier",
    Comparison.LATER: "falls later",
    Comparison.ONLY_RECORDED: "only recorded",
    Comparison.ONLY_OTHER: "only with this policy",
}


def register(app: typer.Typer) -> None:
    command(app, "backtest", epilog=_EPILOG)(run)


def run(
    given: Given,
    policy: Annotated[
        list[Path],
        typer.Option(help="YAML, one policy or several documents. Repeatable.", show_default=False),
    ],
    json: JsonFile = None,
) -> None:
    """Fold the recorded log under another policy, and print which decisions would differ, and
    when.
    """
    policies = [each for file in policy for each in read_policies(file)]
    with progress("reading") as told:
        found = backtest(given.settings(), policies, told)
    show(found, policies, Screen())
    write(json, report(found, policies))


def report(found: Backtest, policies: list[Policy]) -> dict[str, Any]:
    """All of it for a program."""
    return {
        "policies": plain(policies),
        "records": found.records,
        "counts": {str(kind): found.counts[kind] for kind in Comparison},
        "commands": {"recorded": found.commands_recorded, "other": found.commands_other},
        "statuses_refused": found.statuses_refused,
        "differences": [plain(pair) | {"command": _command(pair)} for pair in found.pairs],
    }


def show(found: Backtest, policies: list[Policy], console: Console) -> None:
    """All of it for a person."""
    names = ", ".join(dict.fromkeys(each.policy_id for each in policies))
    console.print(f"{found.records} records under {names} instead of the recorded policies\n")
    if found.pairs:
        differing = table("", "what", "recorded", "with this policy", "command")
        for pair in found.pairs[:_SHOWN]:
            differing.add_row(
                _MEANINGS[pair.kind],
                _about(pair),
                _side(pair.recorded),
                _side(pair.other),
                _command(pair),
            )
        console.print(differing)
        if len(found.pairs) > _SHOWN:
            console.print(
                f"{len(found.pairs) - _SHOWN} more differ; --json FILE writes all of them.\n"
            )
    for kind, meaning in _MEANINGS.items():
        console.print(f"{found.counts[kind]:>8} {meaning}")
    console.print(
        f"\n{found.commands_recorded} commands recorded, {found.commands_other} with this policy"
    )
    if found.statuses_refused:
        console.print(
            f"{found.statuses_refused} recorded statuses were refused, because they answer "
            "commands that this policy did "
            "not issue. What it issues at other moments nobody answered, so that stays open and "
            "holds what repeats it."
        )


def _about(pair: DecisionPair) -> str:
    decision = pair.recorded or pair.other
    assert decision is not None, "a pair has a side"
    parts = (
        decision.subject,
        decision.experiment_id,
        decision.variant or decision.model_version,
        decision.metric,
    )
    return " ".join(part for part in parts if part)


def _side(decision: Decision | None) -> str:
    """Returns a sentence of what was decided, when, and at which offset."""
    if decision is None:
        return "-"
    told = f"{decision.verdict} {decision.order} {decision.outcome}"
    proofs = [f"offset {each.last_offset}" for each in decision.evidence]
    return "\n".join((told, short_moment(decision.decided_at), *proofs))


def _command(pair: DecisionPair) -> str:
    """Returns what becomes of the command."""
    before, after = issued(pair.recorded), issued(pair.other)
    if before != after:
        return "issued too" if after else "not issued"
    return "issued" if after else "none"
