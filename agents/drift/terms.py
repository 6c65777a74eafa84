"""Takes a metric in hand: what the loop over records is to know of the rule of its rows, and
whether they still stand by it.
"""

from collections.abc import Iterable
from functools import partial

from agents.core.policies import metric_spec, policy_for
from agents.drift.evidence.thinning_and_limits import LEARNED
from agents.drift.evidence.usual_rate import SEASONS
from agents.drift.rule import BadWhen, Rule
from agents.drift.unjudged_metrics import is_mended
from agents.statistics.e_detector import ODDS
from schemas.records import MetricRow
from state.metrics.cells import ALTERNATIVES, Terms
from state.partition.drift_tables import DriftTables
from state.storage.table import row_key

assert len(ODDS) == ALTERNATIVES, "a row has room for as many alternatives as there are"


def rule_in_force(subject: str, metric: str, tables: DriftTables) -> Rule:
    """How the policy that is in force has a metric watched."""
    policy = policy_for(subject, tables.policies)
    return Rule.of(metric_spec(metric, (), policy), policy)


def rule_applied(subject: str, metric: str, tables: DriftTables) -> Rule:
    """The rule by which the rows of a metric in hand stand."""
    rule = tables.rules_applied[row_key(subject, metric)]
    assert isinstance(rule, Rule), f"{metric} of {subject} stands by no rule"
    return rule


def take_in_hand(subject: str, metric: str, rule: Rule, tables: DriftTables) -> None:
    """Has the loop go on with a metric whose rows stand by this rule."""
    tables.rules_applied[row_key(subject, metric)] = rule
    tables.metrics.hold(subject, metric, partial(terms_of, rule), tables.policies.changes)


def terms_of(rule: Rule, row: MetricRow) -> Terms:
    """How the records of a row are judged by a rule."""
    learns = rule.how == BadWhen.LIMIT and row.limit is None
    stated = rule.reference(row.segment)
    of_row = row.reference_count, row.reference_bad
    return Terms(
        how=rule.how.value,
        is_rate=rule.is_rate,
        upper=rule.upper,
        threshold=rule.threshold,
        needed=rule.needed(row.thin),
        coarse_most=rule.reference_count,
        values_needed=LEARNED if learns else 0,
        season=SEASONS.index(rule.season),
        tolerance=1.0 + rule.tolerance,
        stated=stated is not None and of_row == (stated.count, rule.bad_of(stated)),
        points=rule.points.value,
    )


def misfit(rows: Iterable[MetricRow], rule: Rule) -> bool:
    """Whether a metric begins anew, because one of its rows was counted in another way, or the
    policy mended it.
    """
    return any(of_another_kind(row, rule) or is_mended(row, rule) for row in rows)


def of_another_kind(row: MetricRow, rule: Rule) -> bool:
    """Whether the policy counts the metric in another way than it did: what was learned is of
    another quantity.
    """
    if rule.how == BadWhen.RATE:
        return row.limit is not None or bool(row.values)
    if rule.how != BadWhen.LIMIT:
        return False
    if row.limit is None:
        return row.reference_count > 0
    return rule.limit is not None and row.limit != rule.limit
