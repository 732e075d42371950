"""What whoever waits is told: no explanation flaps, and nothing is advised that cannot help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localpair.causes.facts import RunRole
from localpair.causes.vocabulary import Cause, Confidence, Explanation, Place, RunVerdict
from localpair.causes.waiting import SteadyVerdict, is_beyond_help, progress
from localpair.limits import STEADY_S
from run_facts import host, joiner


def verdict(*causes: Cause) -> RunVerdict:
    told = [Explanation((one,), Place.THERE, Confidence.LIKELY, (), str(one), "") for one in causes]
    return RunVerdict(tuple(told))


def test_an_explanation_is_told_once_it_has_held() -> None:
    steady, absent = SteadyVerdict(), verdict(Cause.PEER_ABSENT)
    assert steady.look(absent, 0.0) is None
    assert steady.look(absent, STEADY_S - 0.1) is None
    assert steady.look(absent, STEADY_S) == absent.explanations[0]


def test_what_flaps_is_never_told() -> None:
    steady = SteadyVerdict()
    for second in range(20):
        one = verdict((Cause.PEER_ABSENT, Cause.LOSSY_PATH)[second % 2])
        assert steady.look(one, float(second)) is None


def test_what_was_told_stays_until_something_else_has_held() -> None:
    steady, absent, ended = SteadyVerdict(), verdict(Cause.PEER_ABSENT), verdict(Cause.HOST_ENDED)
    for now in (0.0, STEADY_S):
        steady.look(absent, now)
    assert steady.look(ended, 10.0) == absent.explanations[0]
    assert steady.look(ended, 10.0 + STEADY_S) == ended.explanations[0]
    assert steady.look(RunVerdict(), 20.0) == ended.explanations[0]
    assert steady.look(RunVerdict(), 20.0 + STEADY_S) is None


@pytest.mark.parametrize(
    "cause",
    [
        Cause.NO_CARRIER,
        Cause.CLIENT_ISOLATION,
        Cause.EGRESS_FILTER,
        Cause.INTERFACE_DOWN,
        Cause.NO_USABLE_ADDRESS,
    ],
)
def test_no_code_is_shown_where_none_can_help(cause: Cause) -> None:
    assert is_beyond_help(verdict(cause))
    assert not is_beyond_help(verdict(Cause.WRONG_NETWORK))
    assert not is_beyond_help(RunVerdict())


def test_progress_says_what_is_tried_and_what_was_seen() -> None:
    assert progress(joiner()).startswith(("Trying", "Your router", "Looking"))
    assert progress(host()).startswith("Nobody has reached this device yet.")
    assert progress(replace(host(), role=RunRole.LISTEN)).startswith("Waiting for a paired device.")
    assert "no network" in progress(joiner(links=()))
