"""All cases, in the order of the report."""

from tests.faults import (
    bad_input,
    broker,
    brokers,
    disk,
    end_txn,
    inputs,
    kills,
    poison,
    registry,
    restores,
    tables_lost,
    upgrade,
    workers,
)
from tests.support.faults.case import Case

CASES: tuple[Case, ...] = (
    *kills.CASES,
    *end_txn.CASES,
    *workers.CASES,
    *broker.CASES,
    *brokers.CASES,
    *disk.CASES,
    *registry.CASES,
    *inputs.CASES,
    *bad_input.CASES,
    *restores.CASES,
    *tables_lost.CASES,
    *upgrade.CASES,
    *poison.CASES,
)
