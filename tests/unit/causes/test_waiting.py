"""What whoever waits is told: no explanation flaps, and nothing is advised that cannot help."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from localpair.causes.facts import (
    CallFacts,
    CallReach,
    GatewayFacts,
    NeighbourState,
    OfferFacts,
    RunFacts,
    RunRole,
)
from localpair.causes.vocabulary import Cause, Confidence, Explanation, Place, RunVerdict
from localpair.causes.waiting import SteadyVerdict, is_beyond_help, progress
from localpair.limits import STEADY_S
from run_facts import (
    ALICE,
    BOB,
    FAR,
    ROUTER,
    dial,
    host,
    joiner,
    silent_joiner,
    stuck_joiner,
    voice,
    with_link,
)


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
        Cause.OS_PERMISSION,
    ],
)
def test_no_code_is_shown_where_none_can_help(cause: Cause) -> None:
    assert is_beyond_help(verdict(cause))
    assert not is_beyond_help(verdict(Cause.WRONG_NETWORK))
    assert not is_beyond_help(RunVerdict())


_BARE = OfferFacts(lifetime_s=120, age_s=20)
_ROUTER_SILENT = GatewayFacts(ip_address(ROUTER), NeighbourState.SILENT)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (joiner(links=()), "This device has no network. Waiting for one."),
        (joiner(heard=(voice(BOB),)), "The other device is heard, and not reached yet."),
        (joiner(offer=_BARE), "Looking for the other device on this network."),
        (joiner(offer=None, attempts=(dial(BOB),)), "Your router answers, the other device does not."),
        (silent_joiner(), "Your router answers, the other device does not."),
        (silent_joiner(lasted_s=4), "Your router answers, the other device does not."),
        (silent_joiner(lasted_s=3), f"Trying {BOB}."),
        (stuck_joiner("ECONNREFUSED"), f"Trying {BOB}."),
        (with_link(silent_joiner(), gateways=(_ROUTER_SILENT,)), f"Trying {BOB}."),
        (silent_joiner(lasted_s=1, attempts=(dial(BOB), dial(FAR))), f"Trying {BOB} and 1 more address."),
        (
            silent_joiner(lasted_s=1, attempts=(dial(FAR), dial(ALICE))),
            f"Trying {BOB} and 2 more addresses.",
        ),
        (joiner(heard=None), "Looking for the other device."),
        (host(links=()), "This device has no network. Waiting for one."),
        (
            host(calls=(CallFacts(ip_address(ALICE), CallReach.KNOWN),)),
            "The other device has called. Waiting for it.",
        ),
        (
            host(calls=(CallFacts(ip_address(ALICE), CallReach.STRANGER),)),
            "Nobody has reached this device yet. Your router answers.",
        ),
        (host(heard=(voice(ALICE),)), "The other device is heard, and has not come through yet."),
        (host(), "Nobody has reached this device yet. Your router answers."),
        (with_link(host(), gateways=(_ROUTER_SILENT,)), "Nobody has reached this device yet."),
        (replace(host(), role=RunRole.LISTEN), "Waiting for a paired device. Your router answers."),
        (host(calls=None), "Waiting for the other device."),
    ],
)
def test_progress_says_what_is_tried_and_what_was_seen(facts: RunFacts, told: str) -> None:
    assert progress(facts) == told
