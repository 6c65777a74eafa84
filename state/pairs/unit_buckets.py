"""The buckets of arms whose units come again: each unit falls into one of them by its hash, so that
they vary as units do, however often each comes.
"""

from state.storage.attached_rows import NOTHING

NO_BUCKETS = NOTHING  # in column `bucket_slot` of the arms: no unit of the arm came twice so far
# As many random groups give the spread of an arm within an eighth, whatever its units number.
BUCKETS = 64
BUCKET_BITS = 6
UNITS, SUMS = 0, BUCKETS  # where in a row the units of the first bucket stand, and their sum
WIDTH = 2 * BUCKETS
