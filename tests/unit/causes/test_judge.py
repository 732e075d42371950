"""Causes from facts: each one found where it is, and not where its twin is; and never said too much of too little."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cause_cases import BROADER, CASES, Case
from localpair.causes.facts import Ending, RunFacts, RunRole
from localpair.causes.judge import RULES, judge
from localpair.causes.rules.conclusions import CauseRule
from localpair.causes.rules.view import UnknownFactError, View
from localpair.causes.vocabulary import Cause, Confidence, RunVerdict

# What a record always says, and what no verdict is made of.
_ALWAYS = {"format", "role", "platform", "ending", "lasted_s", "tcp_port", "omitted"}
UNKNOWABLE = sorted({one.name for one in fields(RunFacts)} - _ALWAYS)


def verdict(case: Case) -> RunVerdict:
    return judge(case.mine, case.theirs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_cause_is_named(case: Case) -> None:
    found = verdict(case)
    assert found.causes & {case.cause, *BROADER.get(case.cause, ())}, found
    if case.exact:
        assert found.causes == {case.cause}, found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_cause_that_is_certain_stands_alone(case: Case) -> None:
    for one in verdict(case).explanations:
        assert one.confidence is not Confidence.CERTAIN or len(one.causes) == 1
        assert bool(one.step) == (len(one.causes) > 1)


def test_every_cause_that_a_rule_can_name_has_a_case() -> None:
    nameable = {cause for rule in RULES for cause in rule.causes}
    assert nameable == {case.cause for case in CASES}


def allowed(cause: Cause) -> set[Cause]:
    """The cause, and what a side that sees less may say instead."""
    return {cause, *BROADER.get(cause, ())}


def without(facts: RunFacts, unknown: frozenset[str]) -> RunFacts:
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    return replace(facts, **nothing)


@given(
    st.sampled_from(CASES),
    st.frozensets(st.sampled_from(UNKNOWABLE)),
    st.frozensets(st.sampled_from(UNKNOWABLE)),
    st.booleans(),
)
def test_fewer_facts_never_turn_a_right_verdict_into_a_wrong_one(
    case: Case, mine: frozenset[str], theirs: frozenset[str], both: bool
) -> None:
    other = None if case.theirs is None or not both else without(case.theirs, theirs)
    for one in judge(without(case.mine, mine), other).explanations:
        assert set(one.causes) & allowed(case.cause), one


@pytest.mark.parametrize("case", [case for case in CASES if case.theirs], ids=str)
def test_both_sides_come_to_the_same_causes(case: Case) -> None:
    assert case.theirs is not None
    turned = judge(case.theirs, case.mine)
    assert set().union(*map(allowed, verdict(case).causes)) & turned.causes
    assert case.cause in turned.causes or turned.causes & allowed(case.cause)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_pair_has_a_cause(case: Case) -> None:
    assert judge(replace(case.mine, ending=Ending.PAIRED), case.theirs).explanations == ()
    if case.theirs is not None:
        assert judge(case.mine, replace(case.theirs, ending=Ending.PAIRED)).explanations == ()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_verdict_does_not_depend_on_when_the_run_ends(case: Case) -> None:
    """From 2 s on: the same, or vaguer. What was counted is what was seen by then."""
    whole = verdict(case).causes
    for seconds in (2, 5, 12):
        shorter = judge(replace(case.mine, lasted_s=min(seconds, case.mine.lasted_s)), case.theirs)
        assert not shorter.explanations or shorter.causes & set().union(*map(allowed, whole))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_fact_less_on_either_side_misleads_no_rule(case: Case) -> None:
    for name in UNKNOWABLE:
        fewer = [judge(without(case.mine, frozenset({name})), case.theirs)]
        if case.theirs is not None:
            fewer.append(judge(case.mine, without(case.theirs, frozenset({name}))))
        for found in fewer:
            assert all(set(one.causes) & allowed(case.cause) for one in found.explanations), name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_reads_no_fact_that_it_does_not_name(rule: CauseRule) -> None:
    """Whatever else is unknown, it says the same."""
    others = frozenset(UNKNOWABLE) - {*rule.needs, *rule.uses}
    others_there = frozenset(UNKNOWABLE) - {*rule.needs_there, *rule.uses}
    for case in CASES:
        whole, less = View(case.mine, case.theirs), View(without(case.mine, others))
        if case.theirs is not None:
            less = View(without(case.mine, others), without(case.theirs, others_there))
        if rule.needs_there and case.theirs is None:
            continue
        assert said(rule, less) == said(rule, whole), case.name


def said(rule: CauseRule, view: View) -> list[tuple[Cause, ...]]:
    try:
        return [one.causes for one in rule.look(view)]
    except UnknownFactError:
        return [()]


def test_nothing_known_tells_nothing_and_says_what_is_missing() -> None:
    nothing = RunFacts(role=RunRole.JOIN, ending=Ending.TIMEOUT)
    found = judge(nothing)
    assert found.explanations == ()
    assert found.notes == ()
    assert {name for one in found.untold for name in one.missing} >= {"links", "attempts"}
