"""All cases, in the order of the report."""

from tests.faults import broker, disk, kills
from tests.faults.case import Case

CASES: tuple[Case, ...] = (*kills.CASES, *broker.CASES, *disk.CASES)
