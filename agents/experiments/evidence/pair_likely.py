"""How large a pair's effect probably is: what is shown, drawn towards none.

A test that is looked at after each event stops when the effect looks largest, so what a verdict
shows is too large on the whole (the winner's curse; Gelman and Carlin, "Beyond power calculations",
Perspectives on Psychological Science 2014, call its size the exaggeration ratio; Whitehead, "On the
bias of maximum likelihood estimation following a sequential test", Biometrika 1986). An effect that
is z standard errors large is drawn towards none by the part PULL / z^2 of itself, and not beyond: a
shrinkage of James and Stein's form, which is empirical Bayes (Efron and Morris, "Stein's estimation
rule and its competitors", JASA 1973). It needs no scale of effects, for neither has the bias: the
line at which a test stops is one in z. What goes on after a verdict is drawn back less and less.

PULL is chosen by simulation (`bench/cases_words.py`). For conversions of 10 % that rise by 5, 10
and 20 % and errors of 1 % that become 2 % the mean of the effect shown at a verdict is 1.39, 1.23,
1.26 and 1.34 times the true one, that of the likely effect 1.05, 0.93, 0.95 and 0.89 times. A test
that is stopped without power keeps a part of the curse: of a rise of 5 % that is given a third of
the units it needs, only lucky ones are proved, and nothing in them tells so.
"""

from math import inf, nan

from agents.experiments.evidence.pair_samples import difference, has_units, least_error
from agents.statistics.scalars import greater
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs

PULL = 3.0


@compiled
def likely_effect(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """The effect, treatment minus control per unit, drawn towards none; NaN where there is none, or
    no error of it.
    """
    if not has_units(rows, pair):
        return nan
    effect, se, _ = difference(rows, pairs, pair)
    se = greater(se, least_error(rows, pair, effect))
    if not 0.0 < se < inf:
        return nan
    return drawn_back(effect, se)


@compiled
def drawn_back(effect: float, se: float) -> float:
    """An effect with this standard error drawn towards none."""
    z = effect / se
    return effect * (1.0 - PULL / (z * z)) if z * z > PULL else 0.0
