"""When a search ends since other keys answer at the offered addresses: over virtual time."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from localpair.candidate import Candidate
from localpair.events import Attempt, Direction, Flaw, Phase
from localpair.limits import OTHER_KEY_S
from localpair.pairing.failure.other_keys import OtherKeys

ONE, OTHER = (ip_address(f"192.168.1.{last}") for last in (10, 11))


def dial(address: Any, phase: Phase, errno: str = "", flaw: Flaw = Flaw.NONE, **more: Any) -> Attempt:
    candidate = Candidate(address, 46821, **more)
    return Attempt(candidate, Direction.OUT, phase, "failed", 1.0, errno, flaw=flaw)


def other_key(address: Any = ONE) -> Attempt:
    return dial(address, Phase.PIN, flaw=Flaw.OTHER_KEY)


def silent(address: Any = OTHER, **more: Any) -> Attempt:
    return dial(address, Phase.CONNECT, "ETIMEDOUT", **more)


def test_it_ends_so_long_after_the_last_answer_and_not_before() -> None:
    keys = OtherKeys([ONE, OTHER])
    assert not keys.is_over([other_key()], (), 0.1)
    assert not keys.is_over([other_key()], (), 9.0), "one address has not answered yet"
    dials = [other_key(), silent()]
    assert not keys.is_over(dials, (), 10.0)
    assert not keys.is_over(dials, (), 10.0 + OTHER_KEY_S - 0.01)
    assert keys.is_over(dials, (), 10.0 + OTHER_KEY_S)


def test_a_later_run_of_the_issuer_ends_the_search_at_once() -> None:
    keys = OtherKeys([ONE, OTHER])
    assert keys.is_over([dial(ONE, Phase.PIN, flaw=Flaw.LATER_RUN)], (), 0.1)


@pytest.mark.parametrize(
    "hope",
    [
        dial(OTHER, Phase.PREAMBLE, "ECONNRESET"),
        dial(OTHER, Phase.TLS, "ETIMEDOUT"),
        dial(OTHER, Phase.PREAMBLE, flaw=Flaw.VERSION),
        dial(OTHER, Phase.HELLO, flaw=Flaw.STRANGER),
        silent(dial_from=46830),
    ],
    ids=["busy", "slow", "another version", "further", "merely a dial port"],
)
def test_an_address_where_the_issuer_may_be_keeps_the_search_going(hope: Attempt) -> None:
    keys = OtherKeys([ONE, OTHER])
    assert not any(keys.is_over([other_key(), hope], (), now) for now in (1.0, 30.0))


def test_addresses_that_are_never_called_are_not_waited_for() -> None:
    keys = OtherKeys([ONE, OTHER])
    assert not keys.is_over([other_key()], [OTHER], 0.0)
    assert keys.is_over([other_key()], [OTHER], OTHER_KEY_S)


def test_silence_everywhere_is_no_other_key() -> None:
    keys = OtherKeys([ONE, OTHER])
    assert not any(keys.is_over([silent(ONE), silent()], (), now) for now in (0.0, 30.0))
    assert not any(OtherKeys([]).is_over([other_key()], (), now) for now in (0.0, 30.0))
