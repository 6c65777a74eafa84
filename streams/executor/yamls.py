"""Reads what people write for an executor: YAML files, and files that hold a secret."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from streams.errors import MendstreamError

M = TypeVar("M", bound=BaseModel)


class Written(BaseModel):
    """What people write; an unknown field is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_written(model: type[M], path: Path) -> M:
    """What a YAML file says. Raises MendstreamError for what is no such file, naming the field at fault."""
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MendstreamError(f"{path} cannot be read: {error.strerror}.", "Name a YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MendstreamError(f"{path.name} is not YAML: {error}.", "Mend the file.") from error
    try:
        return model.model_validate(written or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MendstreamError(
            f"{path.name}{f', {where}' if where else ''}: {first['msg'].removeprefix('Value error, ')}.",
            "docs/executor.md has examples.",
        ) from error


def secret(path: Path) -> str:
    """The text of a file that holds a secret. Raises MendstreamError where there is none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MendstreamError(f"The secret in {path} cannot be read: {error}.", "Name a file that can.") from error
    if not text:
        raise MendstreamError(f"The secret in {path} is empty.", "Write it into the file.")
    return text


def bearer(path: Path | None) -> str:
    """The Authorization of a token in a file; empty without one."""
    return f"Bearer {secret(path)}" if path is not None else ""
