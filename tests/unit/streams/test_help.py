"""Every example that help, README or handbooks show is one that the command line takes."""

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from schemas.records import ExperimentSpec, Policy
from schemas.validation import policy_checks, spec_checks
from streams.cli import apply_commands
from streams.cli.app import application
from streams.cli.executor_command import _HELP
from streams.executor.notify.routes import RoutesFile
from streams.executor.targets_config import TargetsFile
from streams.files.parsing import build
from streams.runtime.settings import OTHER_NAMES, PREFIX, Settings

ROOT = Path(__file__).parents[3]
APP: Any = typer.main.get_command(application())
WrongUsage: type[Exception] = typer.BadParameter.__bases__[0]  # of the parser that typer brings
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def verbs(command: Any = APP, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command that does something, with its name."""
    inner = getattr(command, "commands", {})
    for name, each in inner.items():
        yield from verbs(each, (*path, name))
    if not inner or command.invoke_without_command:
        yield path, command


def told(command: Any) -> str:
    return " ".join(f"{command.help or ''}\n{command.epilog or ''}".split())


VERBS = {" ".join(path): command for path, command in verbs() if path and not command.hidden}


def in_help() -> Iterator[str]:
    for command in (*VERBS.values(), APP, *APP.commands.values()):
        yield from re.findall(r"\*\*[^*]*?(mendstream (?:[^*\\]|\\\*)+)\*\*", told(command))


def in_documents() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        for block in re.findall(
            r"```(?:sh|bash|console|)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
        ):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(mendstream .*)", line)
                if found and not re.search(r"[│✔]|\.\.\.", line):
                    yield path.name, found[1]


def arguments(example: str) -> list[str]:
    """The words behind `mendstream`, up to where the shell's own begin."""
    found = shlex.shlex(example.replace("\\*", "*"), posix=True, punctuation_chars="|&;<>")
    found.whitespace_split = True
    return list(takewhile(lambda word: not set(word) <= set("|&;<>") or word == "", found))[1:]


def alternatives(example: str) -> list[str]:
    """`mendstream approve|reject ID` is two examples."""
    if found := re.search(r"\b[a-z-]+(?:\|[a-z-]+)+", example):
        return [example.replace(found[0], each, 1) for each in found[0].split("|")]
    return [example]


def parsed(example: str) -> None:
    """Raises WrongUsage where the command line does not take it; nothing is run."""
    words = arguments(example)
    context: Any = None
    command: Any = APP
    while words or command is not APP:
        context = command.make_context("mendstream", list(words), parent=context)
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "resolve_command") or not rest:
            return
        _, command, words = command.resolve_command(context, rest)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_shows_an_example_of_its_own(verb: str) -> None:
    examples = [
        each
        for each in re.findall(r"\*\*([^*]+)", told(VERBS[verb]))
        if f"mendstream {verb}" in each
    ]
    assert examples, f"mendstream {verb} --help shows no example of {verb}"
    first = re.search(r"\*\*[^*]*?mendstream ((?:[^*\\]|\\\*)+)\*\*", told(VERBS[verb]))
    assert first is not None
    assert first[1].startswith(verb), (
        f"the first example of {verb} is one of another verb: {first[1]}"
    )


@pytest.mark.parametrize("example", sorted(set(in_help())))
def test_each_example_in_help_is_taken(example: str) -> None:
    only_named = example.removeprefix("mendstream ") in VERBS
    if not only_named and "COMMAND" not in example and " FILE " not in f"{example} ":
        parsed(example)


def answered(option: typer.core.TyperOption, context: Any) -> Any:
    """What is asked is answered with what is offered."""
    offered = option.get_default(context)
    return offered if offered is not None else not option.is_flag and "shop/button"


@pytest.mark.parametrize(("document", "example"), sorted(set(in_documents())))
def test_each_example_in_a_document_is_taken(
    document: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typer.core.TyperOption, "prompt_for_value", answered)
    for each in alternatives(example):
        parsed(each)


def test_an_example_that_is_wrong_is_found() -> None:
    for wrong in (
        "mendstream rolback shop --by ann",
        "mendstream rollback shop",
        "mendstream rollback shop --bye ann",
    ):
        with pytest.raises(WrongUsage):
            parsed(wrong)


def test_the_files_that_help_shows_are_good() -> None:
    spec = build(ExperimentSpec, {"event_id": "x"} | _written(apply_commands._SPEC), "it")
    assert spec_checks.check_spec(spec) == []
    policy = build(Policy, {"event_id": "x"} | _written(apply_commands._POLICY), "it")
    assert policy_checks.check_policy(policy) == []
    targets, routes = (_quoted(part) for part in _HELP.split("Example of ")[1:])
    assert len(TargetsFile.model_validate(targets).targets) == 1
    assert len(RoutesFile.model_validate(routes).routes) == 1


def said() -> Iterator[tuple[str, str]]:
    """Each text in the sources of the command line and its processes, with the file that it stands
    in.
    """
    for path in sorted((ROOT / "streams").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_every_verb_and_setting_that_a_sentence_names_is_there() -> None:
    """A remedy that names a command or a setting names one that there is."""
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_NAMES
    groups = {" ".join(path[:1]) for path, _ in verbs() if len(path) > 1}
    wrong, named = [], 0
    for name, text in said():
        for words in re.findall(r"`mendstream ([a-z][a-z -]*)", text):
            named += 1
            first, *rest = words.split()
            of_group = first in groups and (not rest or f"{first} {rest[0]}" in VERBS)
            if first not in VERBS and not of_group:
                wrong.append(f"{name}: mendstream {words}")
        for setting in re.findall(r"\bMENDSTREAM_[A-Z0-9_]+\b", text):
            named += 1
            if setting not in settings and setting not in (
                "MENDSTREAM_NAME",
                "MENDSTREAM_",
                "MENDSTREAM_TEST_",
            ):
                wrong.append(f"{name}: {setting}")
    assert wrong == []
    assert named > 50, "the search finds what there is"


def _written(epilog: str) -> dict[str, Any]:
    """The document behind `Example of a file`, whose lines stand beside each other."""
    text = epilog.split("\n\n")[1].replace("\n", " ")
    found: dict[str, Any] = yaml.safe_load("\n".join(part.strip() for part in text.split("·")))
    return found


def _quoted(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load("\n".join(re.findall(r"`([^`]+)`", text)))
    return found
