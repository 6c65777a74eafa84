"""The options that every command has, before or after its name, and what becomes of a fault."""

import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NoReturn, ParamSpec

import typer

from schemas.compiled_files import keep_in
from streams.runtime.errors import MendstreamError

if TYPE_CHECKING:
    from streams.runtime.settings import Settings

P = ParamSpec("P")

_PANEL = "Settings (also MENDSTREAM_... in the environment, or a file)"
_OPTIONS: dict[str, Any] = {
    "bootstrap": Annotated[
        str | None, typer.Option(help="Kafka's bootstrap servers.", rich_help_panel=_PANEL)
    ],
    "config": Annotated[
        Path | None, typer.Option(help="YAML file with settings.", rich_help_panel=_PANEL)
    ],
    "topic_prefix": Annotated[
        str | None,
        typer.Option(help="What each topic's name begins with at Kafka.", rich_help_panel=_PANEL),
    ],
    "group": Annotated[str | None, typer.Option(help="Consumer group.", rich_help_panel=_PANEL)],
    "slot": Annotated[
        str | None, typer.Option(help="Name of this worker in the group.", rich_help_panel=_PANEL)
    ],
    "partitions": Annotated[
        int | None, typer.Option(help="Partitions of each topic.", rich_help_panel=_PANEL)
    ],
    "verbose": Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=_PANEL)
    ],
}
_DEFAULTS = {"verbose": False}
_FLAGS = ("bootstrap", "topic_prefix", "group", "slot", "partitions")


@dataclass(slots=True)
class Given:
    """The settings that the command line gave."""

    flags: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None
    verbose: bool = False

    def settings(self) -> "Settings":
        """The settings in force; what is compiled is kept where they say."""
        from streams.runtime.settings import load

        settings = load(self.file, self.flags)
        keep_in(Path(settings.compiled_directory) if settings.compiled_directory else None)
        return settings

    def take(self, options: dict[str, Any]) -> None:
        """Takes over what was given; a later option wins."""
        self.flags |= {name: options[name] for name in _FLAGS if options[name] is not None}
        self.file = options["config"] or self.file
        self.verbose = self.verbose or options["verbose"]


def globals_of(app: typer.Typer) -> None:
    """Gives an application the common options, for use before a command's name."""

    def common(ctx: typer.Context, **options: Any) -> None:
        _given(ctx).take(options)

    app.callback()(_with_options(common, []))


def command(
    app: typer.Typer, name: str, **more: Any
) -> Callable[
    [Callable[Concatenate[Given, P], int | None]], Callable[Concatenate[Given, P], int | None]
]:
    """Registers a function as a command: its first argument is what was given, its result the exit
    code.

    A fault outside Mendstream becomes `error: ...` and exit code 1, Ctrl-C exit code 130.
    """

    def register(
        function: Callable[Concatenate[Given, P], int | None],
    ) -> Callable[Concatenate[Given, P], int | None]:
        app.command(name, **more)(_run(function))
        return function

    return register


def default(group: typer.Typer, function: Callable[Concatenate[Given, P], int | None]) -> None:
    """Registers what a group of commands does where none of them is named."""
    group.callback(invoke_without_command=True)(_run(function))


def _run(function: Callable[Concatenate[Given, P], int | None]) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    def run(ctx: typer.Context, **options: Any) -> None:
        given = _given(ctx)
        given.take({option: options.pop(option) for option in _OPTIONS})
        if ctx.invoked_subcommand is None:
            raise typer.Exit(guarded(given, lambda: function(given, **options)))  # type: ignore[call-arg]

    run.__doc__ = function.__doc__
    return _with_options(run, own)


def guarded(given: Given, run: Callable[[], int | None]) -> int:
    """The exit code of `run`, with faults told in a sentence."""
    try:
        code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `mendstream watch ... | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MendstreamError as error:
        return failed(error)
    except Exception as error:
        fault = _of_kafka(error, given)
        if fault is None:
            raise
        return failed(fault)
    return code or 0


def _of_kafka(error: Exception, given: Given) -> MendstreamError | None:
    """What Kafka said, as a fault outside of Mendstream; None where it was not Kafka. Where no
    command imported a client of it, there is none to import.
    """
    if "confluent_kafka" not in sys.modules:
        return None
    from confluent_kafka import KafkaException

    from streams.kafka.error_messages import explained

    return explained(error.args[0], given.settings()) if isinstance(error, KafkaException) else None


def failed(error: MendstreamError) -> int:
    """Says what is wrong and what to do, in one line."""
    from streams.runtime.terminal import say

    say("error:", " ".join(str(error).split()), err=True)
    return 1


def interruptible() -> None:
    """Makes SIGTERM and Ctrl-C unwind the stack, so that Kafka and processors are stopped on the
    way out.

    Set for SIGINT too: a shell without job control starts background processes with it ignored.
    """
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _given(ctx: typer.Context) -> Given:
    found = ctx.ensure_object(Given)
    assert isinstance(found, Given)
    return found


def _with_options(
    function: Callable[..., None], own: list[inspect.Parameter]
) -> Callable[..., None]:
    """The function with the signature that typer reads: the context, its own parameters, the common
    options.
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword, annotation=typer.Context)]
    parameters += [parameter.replace(kind=keyword) for parameter in own]
    parameters += [
        inspect.Parameter(name, keyword, default=_DEFAULTS.get(name), annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function
