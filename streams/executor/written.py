"""What stands at a target as JSON, as the targets that keep it elsewhere write it down."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from streams.executor.target import Placed, Unusable

_PLACED: TypeAdapter[Placed] = TypeAdapter(Placed)


def to_json(placed: Placed) -> str:
    return _PLACED.dump_json(placed).decode()


def to_dict(placed: Placed) -> dict[str, Any]:
    found: dict[str, Any] = _PLACED.dump_python(placed, mode="json")
    return found


def from_json(where: str, text: str | bytes) -> Placed:
    """Raises Unusable for what is not a Placed."""
    try:
        return _PLACED.validate_json(text)
    except ValidationError as error:
        raise Unusable(_sentence(where, error)) from error


def from_dict(where: str, value: object) -> Placed:
    """Raises Unusable for what is not a Placed."""
    try:
        return _PLACED.validate_python(value)
    except ValidationError as error:
        raise Unusable(_sentence(where, error)) from error


def _sentence(where: str, error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{where} does not hold what stands there: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
