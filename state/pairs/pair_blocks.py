"""The blocks of pairs that are judged without shares: where in their row each number stands."""

from state.storage.attached_rows import NOTHING

# In column `block_slot` of the arms: the row is no pair that is judged in blocks.
NO_BLOCKS = NOTHING
NO_BESIDE = NOTHING  # in column `beside_slot`: no other experiment is known to have its units
ALTERNATIVES = 20  # log odds ratios, each with the log likelihood ratio that it has gathered
# Where in a row each number stands, behind those of the alternatives. MORE, FEWER: log e that the
# treatment has more hits, and fewer. The weight of all closed blocks, and the sums over them, by
# their weights, of the differences per unit, of the rates of both arms and of their variances. Then
# the open block: units of either arm and what they add up to, hits of a rate; the arm whose unit
# came last, and since when only that arm's came, ms. CLOSED: blocks.
(
    MORE,
    FEWER,
    WEIGHT,
    DIFFERENCE,
    RATE,
    VARIANCE,
    TREATMENT_UNITS,
    TREATMENT_SUM,
    CONTROL_UNITS,
    CONTROL_SUM,
    LAST,
    RUN_SINCE,
    CLOSED,
) = range(ALTERNATIVES, ALTERNATIVES + 13)
# Of a mean, in the place of those of the alternatives, three times six: of single blocks, of groups
# of 8 and of groups of 64 that follow each other. Of each: the sums over closed groups of the
# square of a group's difference (that of a block times its weight), of the difference times the
# weight, and of the weight's square; difference and weight of the open group; how many are closed.
GROUPS = (1, 8, 64)
SQUARES, CROSS, WEIGHT_SQUARES, OPEN_DIFFERENCE, OPEN_WEIGHT, GROUPS_CLOSED = range(6)
GROUP_WIDTH = 6
# Of a mean with a covariate, in places where only a rate has something: of the open block what was
# taken off the values of either arm, the units whose covariate it tells, and these less their mean;
# of all closed blocks the differences per unit of what was taken off, by the blocks' weights, and
# the sums of the differences of the covariates, each by its own weight, and of their squares.
TREATMENT_ADJUSTED, CONTROL_ADJUSTED = GROUP_WIDTH * len(GROUPS), GROUP_WIDTH * len(GROUPS) + 1
TREATMENT_KNOWN, CONTROL_KNOWN, TREATMENT_COVARIATE, CONTROL_COVARIATE = MORE, FEWER, RATE, VARIANCE
# Of a rate, for each alternative of a fault that begins late: see agents.statistics.late_odds.
LATE_ALTERNATIVES = 3
LATE = ALTERNATIVES + 13
ADJUSTED, COVARIATE_DIFFERENCE, COVARIATE_SQUARES = range(LATE, LATE + 3)
# Of a rate with an absolute margin, for each alternative: see agents.statistics.within_margin.
WITHIN_ALTERNATIVES = 2
WITHIN = LATE + LATE_ALTERNATIVES
# Of a rate, of groups of so many blocks that follow each other: see agents.statistics.bursts. Of
# each size the excess and the variance of the open group and of the one before it, the sum over
# pairs of groups of the squared difference over its variance, and how many pairs.
BURST_GROUPS = (4, 16, 64)
OPEN_EXCESS, OPEN_VARIANCE, LAST_EXCESS, LAST_VARIANCE, RATIOS, PAIRS = range(6)
BURST_WIDTH = 6
BURSTS = WITHIN + WITHIN_ALTERNATIVES
DISPERSION = BURSTS + BURST_WIDTH * len(
    BURST_GROUPS
)  # how many times as much they vary; 0: as much
WIDTH = DISPERSION + 1
