"""Values kept in the order of the log until there are enough of them: appended to record by record,
written by commit.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.codec.framing import Codec
from schemas.records import BurnInRow
from state.storage.table import row_key

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Buffer:
    """The first values of one metric's control arm, and the covariate of each, NaN where there was
    none; count: units so far, those of summed records included.
    """

    subject: str
    experiment_id: str
    metric: str
    count: int = 0
    values: "array[float]" = field(default_factory=lambda: array("d"))
    covariates: "array[float]" = field(default_factory=lambda: array("d"))
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = row_key(self.subject, self.experiment_id, self.metric)


class BurnInBuffers:
    """Buffers by key; each is bounded by what its reader waits for, and dropped then."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._buffers: dict[str, Buffer] = {}
        self._dirty: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._buffers)

    def of(self, subject: str, experiment_id: str, metric: str) -> Buffer:
        """The buffer of a metric; an empty one that is not kept until it is added to."""
        fresh = Buffer(subject, experiment_id, metric)
        return self._buffers.get(fresh.key, fresh)

    def buffers(self) -> Iterable[Buffer]:
        """Those that are kept, in the order in which they began."""
        return self._buffers.values()

    def add(self, buffer: Buffer, units: int, values: Floats, covariates: Floats) -> None:
        buffer.count += units
        buffer.values.frombytes(values.tobytes())
        buffer.covariates.frombytes(covariates.tobytes())
        self._buffers[buffer.key] = buffer
        self._dirty[buffer.key] = None

    def drop(self, buffer: Buffer) -> None:
        if self._buffers.pop(buffer.key, None) is not None:
            self._dirty[buffer.key] = None

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        return [
            (key, _encoded(self._buffers[key], codec) if key in self._buffers else None)
            for key in dirty
        ]

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        for key, value in dict(rows).items():
            self._buffers.pop(key, None)
            if value is not None:
                row = codec.decode("BurnInRow", value)
                assert isinstance(row, BurnInRow)
                values = np.frombuffer(row.values, "<f8")
                covariates = np.full(len(values), np.nan)
                if row.covariates is not None:
                    covariates = np.frombuffer(row.covariates, "<f8")
                both = array("d", values), array("d", covariates)
                self._buffers[key] = Buffer(
                    row.subject, row.experiment_id, row.metric, row.count, *both
                )

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [(key, _encoded(buffer, codec)) for key, buffer in self._buffers.items()]


def _encoded(buffer: Buffer, codec: Codec) -> bytes:
    values, covariates = np.array(buffer.values, "<f8"), np.array(buffer.covariates, "<f8")
    known = None if np.isnan(covariates).all() else covariates.tobytes()
    return codec.encode(
        BurnInRow(
            buffer.subject,
            buffer.experiment_id,
            buffer.metric,
            buffer.count,
            values.tobytes(),
            known,
        )
    )
