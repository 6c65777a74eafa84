"""What is known of one series of values: numbers in one array, which continue over restarts.

Moments are ms since 1970, positions count the points of the series from 0. 4 KB a series.
"""

# How often each was learned from, and the last point.
POINTS = 0
FIRST_AT, LAST_AT, LAST_VALUE = 1, 2, 3
USUAL_GAP = 4  # ms between points, as a geometric mean
# Means of the last points, weighted exponentially: over so many of them, and over a day.
MEAN_4, MEAN_8, MEAN_32, MEAN_64, MEAN_256, MEAN_DAY = range(5, 11)
# Of the absolute step from point to point, over 12 and 256; of what the day does not explain.
STEP_12, STEP_256, RESIDUAL_12 = 11, 12, 13
# The episode: whether one is open, and up to which position nothing new is told.
IS_OPEN, QUIET_UNTIL = 14, 15
# What was found last: a feature and its side, what was seen, what was expected, since which
# position's moment and offset, and how surprising it was (natural logarithm).
FOUND, SEEN, LOW, HIGH, SINCE_AT, SINCE_OFFSET, SURPRISE = range(16, 23)
# By the broker's clock: when the last point came.
SEEN_AT = 23

# Levels: mean and variance of all, mean absolute step, sums of squares and of products of
# neighbours of what a level leaves, the last of that, how many starts are held, the position of the
# last change, the level before it and since.
OVERALL_MEAN, OVERALL_VARIANCE, STEP, SQUARES, PRODUCTS, REMAINDER = range(24, 30)
STARTS_USED, CHANGED_POSITION, LEVEL_BEFORE, LEVEL, LEVEL_AT, LEVEL_OFFSET = range(30, 36)

# Mean absolute distance of points from the mean of the day, and from what the time of the day
# explains besides.
DAY_DISTANCE, HOUR_DISTANCE = 36, 37
LAST_LEVELLED = 38  # the last point without its season
LONGEST_WAIT = 39  # ms between two points that came, by the broker's clock; it fades

# Features, five numbers each: how often it was known, its centre and its spread; its value of the
# last point, which becomes its distance from the centre, and whether it is known.
FEATURES = 8
COUNT, CENTRE, SPREAD, NOW, IS_KNOWN = range(5)
FEATURE_WIDTH = 5
FEATURE = 40
# Tails, two of each feature (above, below): the highest peaks from the highest on, then the
# position of the last exceedance, which peak it belongs to, and since when it goes on.
PEAKS = 6
TAILS = 2 * FEATURES
LAST_AT_TAIL, PEAK_OF_LAST, FROM_AT, FROM_OFFSET = range(PEAKS, PEAKS + 4)
TAIL_WIDTH = PEAKS + 4
TAIL = FEATURE + FEATURES * FEATURE_WIDTH
# The day in cells of half an hour, UTC: how often each was seen, then the usual distance from the
# mean of the day.
CELLS = 48
CELL_COUNT = TAIL + TAILS * TAIL_WIDTH
CELL_MEAN = CELL_COUNT + CELLS
# Starts that the present level may have, each with its log weight, position, moment, offset,
# points, their mean, and the sum of squared distances from it.
STARTS = 24
WEIGHT, POSITION, AT, OFFSET, UNITS, MEAN, DISTANCES = range(7)
START_WIDTH = 7
START = CELL_MEAN + CELLS
WIDTH = START + STARTS * START_WIDTH
