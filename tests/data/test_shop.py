"""A shop's campaigns: a learning policy against chance, whose clicks are too few to prove anything
either way.
"""

import pytest

from schemas.records import (
    Direction,
    ExperimentResult,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)
from streams.demo.datasets import CONTROL, SHOP, shop
from tests.support.builders import sent, spec
from tests.support.shared_data import decisions_of, outputs_of

CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
EVEN = ShareStep(from_=None, shares=(Share(CONTROL, 0.5), Share("bts", 0.5)))


@pytest.fixture(scope="module")
def results() -> list[ExperimentResult]:
    return [event.record for event in shop() if isinstance(event.record, ExperimentResult)]


@pytest.mark.parametrize("share_steps", [(), (EVEN,)], ids=["no shares stated", "even shares"])
@pytest.mark.parametrize("campaign", SHOP)
def test_no_campaign_orders_anything(
    campaign: str, share_steps: tuple[ShareStep, ...], results: list[ExperimentResult]
) -> None:
    described = spec(
        subject=campaign,
        experiment_id="policy-bts",
        control=CONTROL,
        treatments=("bts",),
        share_steps=share_steps,
        metrics=(CONVERSION,),
    )
    own = sent([record for record in results if record.subject == campaign])
    assert len(own) == 20_000
    assert decisions_of(outputs_of(described, own)) == []
