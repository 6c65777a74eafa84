"""`mendstream init` and `mendstream plan`: the files that an experiment begins with, how many units
it will need, and what its traffic can prove.
"""

from dataclasses import replace
from math import isfinite, sqrt
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents.core.phrasing import grouped
from schemas.records import ArmRow, Direction, ExperimentRow, MetricKind, MetricSpec
from streams.cli.apply_commands import read_policies, read_specs
from streams.cli.support.options import Given, command
from streams.cli.support.output import JsonFile, progress, write
from streams.files.rendering import plain
from streams.history.standing import ExperimentStanding, standing_of
from streams.operations.first_files import FirstAnswers, write_files
from streams.operations.planning import (
    TESTS,
    Planned,
    Simulated,
    checked,
    simulated,
    smallest_lift,
)
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, say, table, words

_DAY_MS = 86_400_000
_DAYS = 14.0  # within which the smallest effect is to be proved, if nobody says
_INIT = """\
Example: **mendstream init**, or without questions: **mendstream init --name shop/checkout --control
old --treatment new --metric conversion --higher-is-better --share 50 --rollback**
"""
_PLAN = """\
Examples: **mendstream plan --base 0.1 --effect 5 --per-day 20000** - a conversion of 10 %, of which
a twentieth more would matter. **mendstream plan --like shop/checkout --metric conversion --effect
5** takes rate, spread and traffic from an experiment that ran. **mendstream plan --kind MEAN --base
40 --spread 55 --effect 3 --correlation 0.7** - a mean whose covariate is sent.

Simulated tests go through the judge itself, which looks at every record; they share alpha as a
subject's first experiment does. An experiment with more pairs of metrics and treatments needs more:
**--pairs**.
"""


def register(app: typer.Typer) -> None:
    command(app, "init", epilog=_INIT)(init)
    command(app, "plan", epilog=_PLAN)(plan)


def init(
    _given: Given,
    name: Annotated[
        str,
        typer.Option(
            prompt="What is tried, and on what? SUBJECT/EXPERIMENT, as shop/checkout",
            help="SUBJECT/EXPERIMENT, as shop/checkout.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(
            prompt="What is measured? A name, and RATE, COUNT, MEAN or LATENCY where it is no RATE",
            help="Name of the metric, and its kind where it is no RATE: 'revenue MEAN'.",
            show_default=False,
        ),
    ],
    higher: Annotated[
        bool,
        typer.Option(
            "--higher-is-better/--lower-is-better",
            prompt="Is it better when it is higher?",
            help="Which way is better.",
            show_default=False,
        ),
    ],
    control: Annotated[
        str,
        typer.Option(
            prompt="What is the arm called that is in service?", help="The arm that is in service."
        ),
    ] = "control",
    treatment: Annotated[
        str, typer.Option(prompt="And the one that is tried?", help="The arm that is tried.")
    ] = "treatment",
    share: Annotated[
        float,
        typer.Option(
            prompt="Which per cent of the units does it get? 0 where nobody knows",
            min=0.0,
            max=99.99,
            help="Per cent of the units that the treatment gets; 0 where nobody knows.",
        ),
    ] = 50.0,
    rollback: Annotated[
        bool,
        typer.Option(
            prompt="May a treatment that harms be rolled back without asking a person?",
            help="Whether a treatment that harms is rolled back without asking a person.",
        ),
    ] = True,
    directory: Annotated[Path, typer.Option(help="Where the files are written.")] = Path(),
) -> None:
    """Write a first spec and policy, after a few questions."""
    subject, _, experiment = name.strip().rpartition("/")
    if not subject or not experiment:
        raise MendstreamError(f"{name!r} is no SUBJECT/EXPERIMENT.", "Name both, as shop/checkout.")
    word, kind = _named_kind(metric)
    better = Direction.HIGHER_IS_BETTER if higher else Direction.LOWER_IS_BETTER
    answers = FirstAnswers(
        subject, experiment, control.strip(), treatment.strip(), word, kind, better,
        share / 100.0 if share > 0.0 else None, rollback,
    )  # fmt: skip
    files = write_files(answers, directory)
    read_specs(files[0])
    read_policies(files[1])
    say(f"Written: {files[0]} and {files[1]}. {word} is better when {_way(better)}.")
    say(
        f"Next: mendstream plan --base ... --effect ... says how long it will take;\n"
        f"  mendstream policy apply {files[1]}\n"
        f"  mendstream spec apply {files[0]}\n"
        f"  mendstream publish FILE --to results --map subject:={subject} "
        f"--map experiment_id:={experiment} --map metric:={word} ..."
    )


def _way(direction: Direction) -> str:
    return "higher" if direction == Direction.HIGHER_IS_BETTER else "lower"


def _named_kind(metric: str) -> tuple[str, MetricKind]:
    """A metric's name, and its kind where that is said behind it."""
    word, _, kind = metric.strip().rpartition(" ")
    if not word:
        return kind, MetricKind.RATE
    if kind.upper() not in MetricKind.__members__ or kind.upper() == MetricKind.UNKNOWN:
        raise MendstreamError(
            f"{kind!r} is no kind of a metric.", "They are RATE, COUNT, MEAN and LATENCY."
        )
    return word.strip(), MetricKind[kind.upper()]


def plan(
    given: Given,
    effect: Annotated[
        float,
        typer.Option(
            help="By how many per cent of control's value the treatment's is another; -5 for a "
            "twentieth less.",
            show_default=False,
        ),
    ],
    base: Annotated[
        float | None, typer.Option(help="Control's value a unit; of a RATE a share, 0.1 for 10 %.")
    ] = None,
    kind: Annotated[MetricKind, typer.Option(help="RATE, COUNT or MEAN.")] = MetricKind.RATE,
    spread: Annotated[
        float | None,
        typer.Option(help="Standard deviation of a unit's value, of a MEAN or COUNT."),
    ] = None,
    direction: Annotated[
        Direction, typer.Option(help="Which way is better.")
    ] = Direction.HIGHER_IS_BETTER,
    share: Annotated[
        float, typer.Option(help="The treatment's share of the units of both arms.")
    ] = 0.5,
    stated: Annotated[
        bool, typer.Option("--stated/--not-stated", help="Whether a spec states the shares.")
    ] = True,
    per_day: Annotated[
        float | None, typer.Option(help="Units of both arms a day.", show_default=False)
    ] = None,
    days: Annotated[
        float, typer.Option(help="In which the smallest effect is to be proved.")
    ] = _DAYS,
    alpha: Annotated[float, typer.Option(help="The experiment's.")] = 0.05,
    pairs: Annotated[
        int, typer.Option(min=1, help="Goals times treatments; of harm, all judged metrics times.")
    ] = 1,
    correlation: Annotated[
        float, typer.Option(min=-0.99, max=0.99, help="Of a MEAN with the covariate sent with it.")
    ] = 0.0,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="SUBJECT/EXPERIMENT",
            help="Take base, spread, share and traffic from what is recorded of this one.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Its metric; absent: its first goal.", show_default=False)
    ] = None,
    tests: Annotated[int, typer.Option(min=20, max=5_000, help="How many to simulate.")] = TESTS,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
    json: JsonFile = None,
) -> None:
    """Say how many units and days an experiment will need, before it starts.

    And how small an effect its traffic can prove.
    """
    planned = Planned(
        kind=kind, base=base or 0.0, lift=effect / 100.0, spread=spread, share=share, stated=stated,
        direction=direction, alpha=alpha, correlation=correlation, pairs=pairs,
    )  # fmt: skip
    traffic = per_day
    if like is not None:
        planned, recorded = recorded_of(
            standing_of(given.settings(), like.strip()), metric, planned
        )
        planned = planned if base is None else replace(planned, base=base)
        planned = planned if spread is None else replace(planned, spread=spread)
        traffic = recorded if per_day is None else per_day
    elif base is None:
        raise MendstreamError(
            "It is not known what control's value is.",
            "Give --base, or --like SUBJECT/EXPERIMENT to take it from one that ran.",
        )
    checked(planned)
    with progress("simulating tests") as told:
        found = simulated(planned, tests, seed, lambda done, of: told(f"{done} of {of} tests"))
    report = report_of(planned, found, traffic, days)
    show(planned, found, report, Screen())
    write(json, report)


def recorded_of(
    standing: ExperimentStanding, metric: str | None, plan: Planned
) -> tuple[Planned, float | None]:
    """The plan with what is recorded of an experiment's control, and its units of both arms a day,
    where that is known. Raises MendstreamError where the metric is not there.
    """
    experiment = standing.experiment
    spec = _metric_of(experiment, metric)
    rows = [row for row in standing.arms if row.metric == spec.name]
    control = next((row for row in rows if row.variant == experiment.control), None)
    tested = control.count - control.base_count if control is not None else 0
    if control is None or tested <= 0:
        raise MendstreamError(
            f"Nothing is recorded yet of {spec.name!r} in control {experiment.control!r}.",
            "Name another --metric or experiment, or give --base.",
        )
    base, spread = _moments_of(control, spec.kind, tested)
    units = sum(row.count for row in rows)
    share = next((row.count for row in rows if row.variant != experiment.control), 0) / units
    lasted = max(row.last_at for row in rows) - experiment.begun_at
    a_day = units * _DAY_MS / lasted if experiment.begun_at >= 0 and lasted > 0 else None
    found = replace(
        plan,
        kind=MetricKind.RATE if spec.kind == MetricKind.LATENCY else spec.kind,
        direction=spec.direction,
        base=base,
        spread=spread,
        share=share if 0.0 < share < 1.0 else plan.share,
    )
    return found, a_day


def report_of(
    plan: Planned, found: Simulated, per_day: float | None, days: float
) -> dict[str, Any]:
    """All of it for a program: units of both arms, days at this traffic, the smallest effect; null
    where it is not known or never comes.
    """
    units = {
        "half": found.half * plan.fixed(),
        "four_in_five": found.most * plan.fixed(),
        "fixed_horizon": plan.fixed(),
    }
    smallest = smallest_lift(plan, found, per_day * days) if per_day is not None else None
    return {
        "plan": plain(plan),
        "units": {name: _known(value) for name, value in units.items()},
        "units_per_day": per_day,
        "days": {
            name: _known(value / per_day) if per_day else None for name, value in units.items()
        },
        "smallest_effect_percent": {"days": days, "effect": _known(100.0 * smallest)}
        if smallest is not None
        else None,
        "simulated": {"tests": found.tests, "instead": plain(found.instead)},
    }


def show(plan: Planned, found: Simulated, report: dict[str, Any], console: Console) -> None:
    """All of it for a person."""
    treated = plan.base * (1.0 + plan.lift)
    proof = "a gain" if plan.is_gain else "a harm"
    console.print(
        words(
            f"{plan.kind}, {plan.base:g} in control against {treated:g}: {proof} of "
            f"{100.0 * plan.lift:+g} %, {100.0 * plan.share:g} % of the units in the treatment.\n"
        )
    )
    drawn = table("until it is proved", "units of both arms", "days")
    for name, said in (
        ("half", "in half of such tests"),
        ("four_in_five", "in four of five"),
        ("fixed_horizon", "a test that may be looked at once, in four of five"),
    ):
        drawn.add_row(said, _units(report["units"][name]), _days(report["days"][name]))
    console.print(drawn)
    smallest = report["smallest_effect_percent"]
    if smallest is None:
        console.print("With --per-day it also says how long that takes, and what can be proved.")
    elif smallest["effect"] is None:
        console.print(words(f"In {smallest['days']:g} days no effect of this kind is proved."))
    else:
        console.print(
            words(
                f"{grouped(round(report['units_per_day']))} units a day prove "
                f"{smallest['effect']:+.2g} % or more in {smallest['days']:g} days, in four of "
                "five tests."
            )
        )
    console.print(words(_simulation(found)))


def _simulation(found: Simulated) -> str:
    said = f"From {found.tests} simulated tests"
    one = found.instead
    if one is None:
        return f"{said} of just that."
    return (
        f"{said} of {one.base:.3g} against {one.base * (1.0 + one.lift):.3g}, which take fewer "
        "units, times the ratio of what both take with a fixed horizon."
    )


def _metric_of(experiment: ExperimentRow, metric: str | None) -> MetricSpec:
    """The metric of this name; without one the first that is judged."""
    judged = [spec for spec in experiment.metrics if metric in (None, spec.name)]
    goals = [spec for spec in judged if spec.role == "GOAL"]
    if not judged:
        names = ", ".join(spec.name for spec in experiment.metrics) or "none"
        raise MendstreamError(
            f"{experiment.experiment_id} has no metric {metric!r}.", f"It has {names}."
        )
    return (goals or judged)[0]


def _moments_of(control: ArmRow, kind: MetricKind, tested: int) -> tuple[float, float | None]:
    """(mean, standard deviation) of a unit of control; the deviation of a MEAN or COUNT alone."""
    if kind in (MetricKind.RATE, MetricKind.LATENCY):
        return control.hits / tested, None
    mean = control.sum / tested
    spread = sqrt(max(0.0, control.sum_squares / tested - mean * mean))
    return mean + control.adjusted / tested, spread or None


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _units(value: float | None) -> str:
    return grouped(round(value)) if value is not None else "more than is simulated"


def _days(value: float | None) -> str:
    return f"{value:,.1f}" if value is not None else "-"
