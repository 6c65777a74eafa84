"""Reads what people write for an executor: YAML files, and files that hold a secret."""

from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from streams.runtime.errors import MendstreamError, cannot_read
from streams.runtime.redaction import keep, keep_url
from streams.runtime.yaml_files import document

M = TypeVar("M", bound=BaseModel)


class Written(BaseModel):
    """A base of models of files that people write: an unknown field is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_written(model: type[M], path: Path) -> M:
    """Returns what a YAML file says, as the model.

    Raises MendstreamError for what is no such file, naming the field at fault.
    """
    written = document(path)
    try:
        return model.model_validate(written or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MendstreamError(
            f"{path.name}{f', {where}' if where else ''}: "
            f"{first['msg'].removeprefix('Value error, ')}.",
            "docs/executor.md has examples.",
        ) from error


def _address(url: str) -> str:
    """Registers what is secret in it. Raises ValueError for what nobody can ask."""
    return keep_url(url, usable(url))


def usable(url: str) -> str:
    """The address. Raises ValueError for what nobody can ask."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        known = False
    if not known or any(character.isspace() for character in url):
        raise ValueError("it is no address: write http:// or https://, a host, and no spaces")
    return url


Url = Annotated[str, Field(pattern="^https?://"), AfterValidator(_address)]
MaybeUrl = Annotated[str, AfterValidator(lambda url: _address(url) if url else url)]


def secret(path: Path) -> str:
    """The text of a file that holds a secret, which is registered. Raises MendstreamError where
    there is none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(f"The secret in {path}", error) from error
    if not text:
        raise MendstreamError(f"The secret in {path} is empty.", "Write it into the file.")
    keep(str(path), text)
    return text


def secret_url(path: Path) -> str:
    """The address in a file, which is a secret with all of its parts. Raises MendstreamError where
    it is none.
    """
    url = secret(path)
    try:
        return keep_url(f"{path} as an address", usable(url), whole=True)
    except ValueError as error:
        raise MendstreamError(
            f"The secret in {path} is no address.", "Write https://... into it, alone."
        ) from error


def bearer(path: Path | None) -> str:
    """The Authorization of a token in a file; empty without one."""
    return f"Bearer {secret(path)}" if path is not None else ""
