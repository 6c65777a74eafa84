"""How much more is needed: what is said is where the evidence then stands."""

import numpy as np
import pytest

from agents.experiments.evidence.sample_size import (
    growth_of_counts,
    growth_of_mean,
    missing_units,
    more_units,
)
from agents.statistics import confidence_sequence, multinomial

LEVEL = np.array([np.log(20.0)])


def test_a_mean_that_goes_on_as_it_began_reaches_its_level_with_the_units_said() -> None:
    n, effect, one_se = np.array([4_000.0]), np.array([0.02]), 0.9
    se = one_se / np.sqrt(n)
    evidence = confidence_sequence.log_evidence(effect, se, n)
    more = more_units(n, evidence, *growth_of_mean(effect, se, n), LEVEL)
    then = n + more
    reached = confidence_sequence.log_evidence(effect, one_se / np.sqrt(then), then)
    assert reached[0] == pytest.approx(LEVEL[0], abs=0.7)


def test_a_count_that_goes_on_as_it_began_reaches_its_level_with_the_units_said() -> None:
    n, x, y, rho = np.array([1_000.0]), np.array([24.0]), np.array([16.0]), np.array([0.5])
    evidence = multinomial.log_e_one_sided(x, y, rho, np.array([-np.inf]))
    more = more_units(n, evidence, *growth_of_counts(x, y, rho, 100.0), LEVEL)
    times = (n + more) / n
    reached = multinomial.log_e_one_sided(x * times, y * times, rho, np.array([-np.inf]))
    assert reached[0] == pytest.approx(LEVEL[0], abs=0.7)


def test_nothing_is_said_where_the_effect_points_nowhere() -> None:
    n, zero = np.array([1_000.0]), np.array([0.0])
    assert np.isnan(more_units(n, zero, *growth_of_mean(zero, np.array([0.1]), n), LEVEL))
    even = np.array([10.0])
    assert np.isnan(
        more_units(n, zero, *growth_of_counts(even, even, np.array([0.5]), 100.0), LEVEL)
    )
    never = np.array([np.inf])
    assert np.isnan(
        more_units(n, zero, *growth_of_mean(np.array([1.0]), np.array([0.1]), n), never)
    )


def test_what_is_missing_of_the_least_count_is_added_over_both_arms() -> None:
    lacking = missing_units(
        np.array([40.0, 100.0]),
        np.array([90.0, 100.0]),
        np.array([100.0, 100.0]),
        np.array([False, True]),
    )
    assert lacking.tolist() == [70.0, 0.0]
