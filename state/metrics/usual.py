"""What a row of live metrics keeps of how its share of bad units moves by itself: numbers in one
array, which continue over restarts.
"""

# Where in the array each number stands. Judged and bad units by hour of the day, then by day of the
# week, both of UTC.
DAY_HOURS, WEEK_DAYS = 24, 7
HOURS = 0
DAYS = HOURS + 2 * DAY_HOURS
# Then, for batches of 64 judged units, of 256 and so on, nine numbers each: units, bad ones and how
# many were expected, of the open batch and of the last closed one; when the open one began, ms; the
# sum over pairs of batches that follow each other of the squared difference to its variance if
# units were independent, and how many pairs.
BATCHES = DAYS + 2 * WEEK_DAYS
SCALES = 4
(
    OPEN_COUNT,
    OPEN_BAD,
    OPEN_WEIGHT,
    LAST_COUNT,
    LAST_BAD,
    LAST_WEIGHT,
    OPEN_AT,
    SQUARES,
    PAIRS,
) = range(9)
BATCH_WIDTH = 9
# Then: when its first judged record occurred, ms; how many times the variance of its batches is
# that of independent units, at least 1, and 0 until it is known; the hour since 1970 and the
# reference's units for which what is expected was worked out last, and its bad units then; units,
# bad ones and sum of the reference's first half.
(
    BEGAN_AT,
    DISPERSION,
    EXPECTED_HOUR,
    EXPECTED_COUNT,
    EXPECTED_BAD,
    HALF_COUNT,
    HALF_BAD,
    HALF_SUM,
) = range(BATCHES + SCALES * BATCH_WIDTH, BATCHES + SCALES * BATCH_WIDTH + 8)
USUAL_WIDTH = HALF_SUM + 1
