"""Writes what stands at a target as JSON, as the targets that keep it elsewhere write it down."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.validation.text import MAX_CHARACTERS
from streams.executor.placement import FINISHED_MAX, PlacementPhase, TargetState, Unusable
from streams.executor.rollout.state_machine import RAMPS

_FINISHED_READ_MAX = 4 * FINISHED_MAX  # an older or newer executor may remember more than this one
_RAMPS = {str(strategy): ramp for strategy, ramp in RAMPS.items()}
_COUNT_MAX = 2**53  # what every reader of JSON keeps whole
_BOUNDS = {
    "share": (0, 100),
    "step": (0, 63),  # of a rollout under way: within its ramp
    "attempt": (0, _COUNT_MAX),
    "fencing_token": (0, _COUNT_MAX),
    "since": (0, _COUNT_MAX),
}
_PLACED: TypeAdapter[TargetState] = TypeAdapter(TargetState)


def to_json(placed: TargetState) -> str:
    return _PLACED.dump_json(placed).decode()


def to_dict(placed: TargetState) -> dict[str, Any]:
    found: dict[str, Any] = _PLACED.dump_python(placed, mode="json")
    return found


def from_json(where: str, text: str | bytes) -> TargetState:
    """Raises Unusable for what is not a Placed."""
    try:
        return _sound(where, _PLACED.validate_json(text))
    except ValidationError as error:
        raise Unusable(_sentence(where, error)) from error


def from_dict(where: str, value: object) -> TargetState:
    """Raises Unusable for what is not a Placed."""
    try:
        return _sound(where, _PLACED.validate_python(value))
    except ValidationError as error:
        raise Unusable(_sentence(where, error)) from error


def _sound(where: str, placed: TargetState) -> TargetState:
    """Returns what was read, unless nobody can have placed it: whoever acts on it would act on
    nonsense, perhaps for ever.
    """
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(placed, name) <= most:
            raise Unusable(
                f"{where} tells of {name} {getattr(placed, name)}, which is not in [{least}, "
                f"{most}]"
            )
    texts = (placed.baseline, placed.candidate, placed.command_id, placed.strategy)
    if len(placed.finished) > _FINISHED_READ_MAX or max(map(len, texts)) > MAX_CHARACTERS:
        raise Unusable(
            f"{where} tells of more than {_FINISHED_READ_MAX} ends, or names too long for a version"
        )
    if placed.phase != PlacementPhase.BAKING:
        return placed
    ramp = _RAMPS.get(placed.strategy)
    if ramp is None or placed.step >= len(ramp) or not placed.candidate:
        what = f"step {placed.step} of the strategy {placed.strategy!r} for {placed.candidate!r}"
        raise Unusable(
            f"{where} tells of {what}, which is no rollout: look who wrote it, and write it anew"
        )
    return placed


def _sentence(where: str, error: ValidationError) -> str:
    first = error.errors()[0]
    return (
        f"{where} does not hold what stands there: {'.'.join(map(str, first['loc'])) or 'it'}: "
        f"{first['msg']}"
    )
