"""What the rows of a pair say as they stand: evidence of harm and gain, and whether it is proved.

A pair is a treatment's row that is compared with a control's. One function serves the look after
each event, the decision and the row that people read, so they cannot disagree.
"""

from math import inf, log, sqrt

from agents.experiments.evidence.blocks import (
    evidence_in_blocks,
    is_of_means,
)
from agents.experiments.evidence.covariate_balance import has_alike_covariates
from agents.experiments.evidence.pair_ramp import (
    FEWER,
    MORE,
    dispersion,
    log_e_of_ramp,
    log_e_split_of_ramp,
    z_of_ramp,
)
from agents.experiments.evidence.pair_samples import (
    difference,
    fewest,
    has_enough,
    has_units,
    independent_units,
    least_error,
    needed_of_mean,
    units_of,
)
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import log_evidence
from agents.statistics.multinomial import (
    NO_EVIDENCE,
    highest_log_ratio,
    log_e_one_sided,
    log_e_split,
    pooled_z,
)
from agents.statistics.rate_comparison import PART, log_e_above
from agents.statistics.scalars import greater
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs

# A count test takes a split that is off its plan for an effect; the observed exposures must agree.
Z_AGREES = 3.0
CHOSEN_AT = 40  # units of both arms: enough to tell a rate near 1 from one near 0
_LOG_PART = log(PART)
_LOG_REST = log(1.0 - PART)


@compiled
def evidence_of(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, bool]:
    """Evidence of harm and of gain, in nats, and whether both arms have enough records."""
    harm, gain = _evidence(rows, pairs, pair, -inf, -inf)
    return harm, gain, has_enough(rows, pair)


@compiled
def evidence_reaching(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, bool]:
    """The same where it reaches a level of the pair; else an upper bound that stays below it, or
    nothing where there is not enough. Of a pair in blocks there is enough for harm at once.
    """
    if not has_enough(rows, pair):
        if rows[pair].method != Method.RATES_IN_BLOCKS:
            return NO_EVIDENCE, NO_EVIDENCE, False
        # Exact from the first unit on, so that nothing need delay a proof of harm.
        harm, _ = evidence_in_blocks(rows, pairs.blocks, pair)
        return harm, NO_EVIDENCE, True
    harm, gain = _evidence(rows, pairs, pair, rows[pair].harm_level, rows[pair].gain_level)
    return harm, gain, True


@compiled
def agrees(rows: ArmRows, pairs: Pairs, pair: int, harm: bool) -> bool:
    """Whether what is known of the units does not contradict harm, or gain: the observed exposures,
    asked of count tests only, and covariates that are used.
    """
    if rows[pair].method != Method.COUNTS:
        return has_alike_covariates(rows, pairs, pair)
    z = z_of_ramp(rows, pairs.ramps, pair) if rows[pair].ramped else _z(rows, pair)
    more = (rows[pair].sign < 0) == harm  # whether more hits are what is to be shown
    return (z if more else -z) >= Z_AGREES


@compiled
def _z(rows: ArmRows, pair: int) -> float:
    treatment, control = rows[pair], rows[rows[pair].control]
    z = pooled_z(
        float(treatment.hits),
        units_of(rows, pair),
        float(control.hits),
        units_of(rows, treatment.control),
        treatment.tally == Tally.COUNT,
    )
    return z / sqrt(dispersion(rows, pair))


@compiled
def choose_outcome(rows: ArmRows, pair: int) -> tuple[bool, bool]:
    """Whether to choose by now what a pair's count test counts, and whether that is the units
    without a hit.

    It is chosen once, at the first CHOSEN_AT units, from both arms together: under the null who is
    in which arm says nothing of the outcomes, so a choice that does not ask for the arm favours
    none, and the units that it was made from stay in the test.
    """
    treatment, control = rows[pair], rows[rows[pair].control]
    units = control.count + treatment.count
    open_ = treatment.base_offset < 0 and treatment.totals_method == Method.COUNTS
    if not open_ or units < CHOSEN_AT or min(control.count, treatment.count) == 0:
        return False, False
    several = treatment.tally == Tally.COUNT
    return True, not several and 2 * (control.hits + treatment.hits) > units


@compiled
def more_is_harm(rows: ArmRows, pair: int) -> bool:
    """Whether more of what a pair's count test counts is harm."""
    return (rows[pair].sign < 0) != bool(rows[rows[pair].aggregate_row].flipped)


@compiled
def _evidence(
    rows: ArmRows, pairs: Pairs, pair: int, least_harm: float, least_gain: float
) -> tuple[float, float]:
    """Harm and gain, exact where one may reach its least."""
    method = rows[pair].method
    if method == Method.COUNTS:
        return _of_counts(rows, pairs, pair, least_harm, least_gain)
    if is_of_means(rows, pair):
        return _of_means(rows, pairs, pair, least_harm, least_gain)
    if rows[pair].method == Method.RATES_IN_BLOCKS:
        return evidence_in_blocks(rows, pairs.blocks, pair)
    if rows[pair].method == Method.RATES:
        return _of_rates(rows, pairs, pair, least_harm, least_gain)
    if method == Method.SPLIT:
        return _of_split(rows, pairs, pair, least_harm), NO_EVIDENCE
    return NO_EVIDENCE, NO_EVIDENCE


@compiled
def _of_counts(
    rows: ArmRows, pairs: Pairs, pair: int, least_harm: float, least_gain: float
) -> tuple[float, float]:
    if rows[rows[pair].aggregate_row].base_offset < 0:
        return NO_EVIDENCE, NO_EVIDENCE  # it is not settled yet what is counted
    harm_is_more = more_is_harm(rows, pair)
    least_more, least_fewer = (least_harm, least_gain) if harm_is_more else (least_gain, least_harm)
    more, fewer = more_and_fewer(rows, pairs, pair, least_more, least_fewer)
    return (more, fewer) if harm_is_more else (fewer, more)


@compiled
def more_and_fewer(
    rows: ArmRows, pairs: Pairs, pair: int, least_more: float, least_fewer: float
) -> tuple[float, float]:
    """log e of a count test that the treatment has more, and fewer, of what is counted; exact where
    one may reach its least.
    """
    if rows[pair].ramped:
        return (
            log_e_of_ramp(rows, pairs.ramps, pair, MORE, least_more),
            log_e_of_ramp(rows, pairs.ramps, pair, FEWER, least_fewer),
        )
    treatment = rows[pair]
    x, y = counted(rows, pair)
    priors = treatment.prior_wide, treatment.prior_narrow
    return log_e_one_sided(x, y, treatment.share, priors, least_more, least_fewer)


@compiled
def counted(rows: ArmRows, pair: int) -> tuple[float, float]:
    """What a count test counts of treatment and control: the rarer of hits and misses of a rate,
    independent hits of a COUNT.
    """
    treatment, control = rows[pair], rows[rows[pair].control]
    dispersed = dispersion(rows, pair)
    x, y = float(treatment.hits), float(control.hits)
    if rows[treatment.aggregate_row].flipped:
        x, y = float(treatment.count - treatment.hits), float(control.count - control.hits)
    return x / dispersed, y / dispersed


@compiled
def _of_split(rows: ArmRows, pairs: Pairs, pair: int, least: float) -> float:
    """log e that the split is not the planned one; an upper bound of it below `least`."""
    if rows[pair].ramped:
        return log_e_split_of_ramp(rows, pairs.ramps, pair, least)
    rho = rows[pair].share
    x, y = _without_records_ahead(rows, pair)
    bound = highest_log_ratio(x, y, rho, least)
    return bound if bound < least else log_e_split(x, y, rho)


@compiled
def _without_records_ahead(rows: ArmRows, pair: int) -> tuple[float, float]:
    """Units of treatment and control, the arm that is ahead of the plan by as much less as the
    other may be about to send, in one record: arms that add up their units send in turn.
    """
    treatment, control = rows[pair], rows[rows[pair].control]
    x, y, odds = units_of(rows, pair), units_of(rows, treatment.control), treatment.share
    odds /= 1.0 - odds
    ahead = float(max(treatment.largest, control.largest) - 1)
    if x > odds * y:
        return max(x - ahead, odds * y), y
    return x, max(y - ahead, x / odds)


@compiled
def _of_means(
    rows: ArmRows, pairs: Pairs, pair: int, least_harm: float, least_gain: float
) -> tuple[float, float]:
    effect, se, n = difference(rows, pairs, pair)
    se = greater(se, least_error(rows, pair, effect))
    better = effect if rows[pair].sign > 0 else -effect
    return (
        log_evidence(-better, se, n, least_harm),
        log_evidence(better, se, n, least_gain),
    )


@compiled
def _of_rates(
    rows: ArmRows, pairs: Pairs, pair: int, least_harm: float, least_gain: float
) -> tuple[float, float]:
    """Whichever is more of the confidence sequence's evidence and the exact test's, each at its
    part of the level.
    """
    harm, gain = NO_EVIDENCE, NO_EVIDENCE
    if fewest(rows, pair) >= needed_of_mean(rows, pair):
        harm, gain = _of_means(rows, pairs, pair, least_harm - _LOG_REST, least_gain - _LOG_REST)
    up = rows[pair].sign > 0
    least_more, least_fewer = (least_gain, least_harm) if up else (least_harm, least_gain)
    more, fewer = rates_apart(rows, pair, least_more - _LOG_PART, least_fewer - _LOG_PART)
    return (
        max(harm + _LOG_REST, (fewer if up else more) + _LOG_PART),
        max(gain + _LOG_REST, (more if up else fewer) + _LOG_PART),
    )


@compiled
def rates_apart(
    rows: ArmRows, pair: int, least_more: float, least_fewer: float
) -> tuple[float, float]:
    """log e that the treatment's rate is higher, and lower, from the units alone; upper bounds
    below their least.

    None where an arm is empty, or in a ramp, for over its steps rates of one time would be compared
    with another's.
    """
    if rows[pair].ramped or not has_units(rows, pair):
        return NO_EVIDENCE, NO_EVIDENCE
    (y, m), (x, n) = independent_units(rows, pair)
    return (
        log_e_above(x, n, y, m, least_more),
        log_e_above(y, m, x, n, least_fewer),
    )
