"""Which part of alpha an experiment's gains are tested at, so that of all deployments of a subject
an expected share of at most alpha is false, however many experiments it has.

This is e-LORD (Zhang, Wei, Ren and Zou, "e-GAI: e-value-based Generalized alpha-Investing for
Online False Discovery Rate Control", ICML 2025, arXiv:2506.01452) with refunds (Kuang, Gang and
Xia, "SCORE: A Unified Framework for Overshoot Refund in Online FDR Control", arXiv:2601.20386).

The bound of the false discovery rate is a budget of 1, in parts of alpha. An experiment is charged
c = WEIGHT * what is left as it begins, and its gains are tested at the level alpha_j = alpha c
(R_j + 1), where R_j is how many discoveries the subject has by then. Why the bound holds: a false
discovery counts 1 / R in the end, and R is at least R_j + 1 if this one is a discovery, so it adds
at most

    E[1{e >= 1 / alpha_j}] / (R_j + 1) <= E[alpha_j e] / (R_j + 1) = alpha c,

and all c together are at most 1. Level and charge depend on the past alone, and units fall to arms
by chance whatever was before, so this holds for experiments that run at the same time and end in
any order. The inequality leaves something over, which is known once the experiment is over: where
nothing was discovered alpha_j e, where there was a discovery alpha_j e - 1. So much of the charge
is given back, but never more than all of it, for what is charged for a true gain must not be below
0. Only e-values have this to give; a p-value (a MEAN's) gives nothing back.

Worked example: the first experiment of a subject is charged 0.3 and needs e >= 20 / 0.3 = 67 for a
gain. It ends with e = 0.5 and gives back half of it, so 0.85 is left; the second is charged 0.15 of
that, and needs e >= 20 / 0.1275 = 157. It proves its gain at e = 160: 160 - 157 = 3 is more than 1,
so all is given back. The third, after one discovery, is charged 0.085 and tested at 0.17.
"""

from dataclasses import replace
from math import exp, expm1, fsum, log, pi

from schemas.records import ExperimentRow, SubjectRow

# Of what is left: FIRST / t for the t-th experiment of a subject, STEADY from some time on. The
# first few experiments are most of what a team ever runs; a subject with hundreds goes on.
FIRST = 0.3
STEADY = 0.01


def weight(ordinal: int) -> float:
    """Which part of what is left the experiment of this number, from 1 on, is charged."""
    return max(STEADY, FIRST / ordinal)


def left_of(subject: SubjectRow) -> float:
    """What is left of a subject's budget, from 0 to 1.

    An older release charged 6 / (pi i)^2 for the i-th experiment (e-LOND) and kept no sum of it.
    """
    if subject.spent >= 0.0:
        return 1.0 - subject.spent
    return 1.0 - 6.0 / pi**2 * fsum(1.0 / (i * i) for i in range(1, subject.experiments + 1))


def next_alpha_part(subject: SubjectRow) -> float:
    """The part of alpha that the gains of the subject's next experiment are tested at."""
    part = weight(subject.experiments + 1) * left_of(subject) * (subject.discoveries + 1)
    return min(1.0, part)  # no experiment is tested more leniently than if it were the only one


def alpha_part_of(experiment: ExperimentRow) -> float:
    """The part of alpha that an experiment's gains are tested at."""
    if experiment.alpha_part >= 0.0:
        return experiment.alpha_part
    return 6.0 / (pi * experiment.ordinal) ** 2 * (experiment.discoveries + 1.0)


def charge_of(experiment: ExperimentRow) -> float:
    """What an experiment was charged, in parts of the subject's budget."""
    return alpha_part_of(experiment) / (experiment.discoveries + 1.0)


def given_back(log_e: float, gain_level: float, discovered: bool) -> float:
    """Which part of its charge a pair gives back that has ended with this e-value for a gain, where
    its level was log e >= gain_level.

    >>> given_back(0.0, 4.6, False), round(given_back(-0.7, 4.6, False), 2)
    (1.0, 0.5)
    >>> round(given_back(4.61, 4.6, True), 2), given_back(4.6, 4.6, True)
    (1.0, 0.0)
    """
    if not discovered:
        return min(1.0, exp(min(log_e, 0.0)))
    if not log_e > gain_level:
        return 0.0
    return exp(min(log_e + log(-expm1(gain_level - log_e)), 0.0))


def begun(subject: SubjectRow) -> tuple[SubjectRow, float]:
    """(the subject with one experiment more, the part of alpha that its gains are tested at)."""
    part = next_alpha_part(subject)
    spent = 1.0 - left_of(subject) + part / (subject.discoveries + 1.0)
    return _told(replace(subject, experiments=subject.experiments + 1, spent=spent)), part


def settled(subject: SubjectRow, experiment: ExperimentRow, part: float, found: bool) -> SubjectRow:
    """The subject after this part of an experiment's charge was given back, and whether it was a
    discovery.
    """
    spent = 1.0 - left_of(subject) - part * charge_of(experiment)
    discoveries = subject.discoveries + found
    return _told(replace(subject, discoveries=discoveries, spent=max(0.0, spent)))


def _told(subject: SubjectRow) -> SubjectRow:
    return replace(subject, next_alpha_part=next_alpha_part(subject))
