"""docker-compose.yml as Docker Compose would see it, and the parts of it that are ours."""

import re
import tomllib
from pathlib import Path
from typing import Any

import typer
import yaml

from streams.cli.app import application

ROOT = Path(__file__).parents[3]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGE = f"mendstream:{VERSION}"

Service = dict[str, Any]
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)*(-[\w.]+)*(@sha256:[0-9a-f]{64})?")


def compose() -> dict[str, Any]:
    """The whole file; what it shares between services stands in each of them."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def services() -> dict[str, Service]:
    found: dict[str, Service] = compose()["services"]
    return found


def ours() -> dict[str, Service]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if service["image"] == IMAGE}


def once(service: Service) -> bool:
    """Whether it does its work and ends."""
    return service.get("restart") == "no"


def pinned(image: str) -> bool:
    """Whether an image's tag names a version, at least a major and a minor number."""
    return _PINNED.fullmatch(image) is not None


def parsed(arguments: list[str]) -> list[str]:
    """The names of the commands that the real command line finds in these arguments; raises what
    its parser raises.
    """
    command: Any = typer.main.get_command(application())
    context = command.make_context("mendstream", list(arguments))
    names = []
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        context = command.make_context(name, rest, parent=context)
        names.append(name)
    return names
