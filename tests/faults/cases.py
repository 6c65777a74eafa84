"""All cases, in the order of the report."""

from tests.faults import broker, disk, end_txn, inputs, kills, poison, tables_lost, upgrade, workers
from tests.faults.case import Case

CASES: tuple[Case, ...] = (
    *kills.CASES,
    *end_txn.CASES,
    *workers.CASES,
    *broker.CASES,
    *disk.CASES,
    *inputs.CASES,
    *tables_lost.CASES,
    *upgrade.CASES,
    *poison.CASES,
)
