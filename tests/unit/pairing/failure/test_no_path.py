"""What a failed attempt is told as: the words for a person, from what this side has seen itself."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.address import IPAddress
from localpair.candidate import Candidate, Origin
from localpair.errors import UnreachableError
from localpair.events import Attempt, Direction, Phase
from localpair.net.agent.counts import SearchRecord
from localpair.net.host.naming import describe as describe_error
from localpair.pairing.failure.no_path import describe, no_path
from localpair.wire.beacon import Part
from localpair.wire.messages import NO_LOCALPAIR


def told(
    *attempts: Attempt,
    held_back: Mapping[IPAddress, str] | None = None,
    dropped: tuple[str, ...] = (),
    heard: bool = False,
    part: Part = Part.JOIN,
    answered: bool = False,
) -> UnreachableError:
    """The error of an attempt that ended so."""
    record = SearchRecord(part, attempts, heard, held_back or {}, dropped)
    return no_path(record, answered=answered)


def test_an_address_of_another_network_is_named_with_the_reason() -> None:
    reason = "benchmarking addresses are called in one's own subnets only"
    error = told(held_back={ip_address("198.18.5.20"): reason}, answered=True)
    assert error.message.endswith(
        "none of its addresses may be called; 198.18.5.20 was not called: " + reason
    )
    assert error.hint is not None
    assert "connect this device to the same network" in error.hint


def test_what_an_offer_names_in_vain_is_told() -> None:
    error = told(dropped=("127.0.0.1 was dropped: loopback addresses are never called",))
    assert error.message.endswith("; 127.0.0.1 was dropped: loopback addresses are never called")


def failed(address: str, phase: Phase, errno: str = "", detail: str = "", **more: Any) -> Attempt:
    candidate = Candidate(ip_address(address), 46_821, origin=Origin.OFFER)
    properties = {"ms": 10.0, **more}
    return Attempt(candidate, Direction.OUT, phase, "failed", errno=errno, detail=detail, **properties)


@pytest.mark.parametrize(
    ("phase", "errno", "detail"),
    [
        (phase, errno, detail)
        for phase in (Phase.CONNECT, Phase.PREAMBLE, Phase.TLS, Phase.HELLO)
        for errno, detail in [("ETIMEDOUT", ""), ("ECONNRESET", ""), ("EPIPE", ""), ("", "a sentence")]
    ],
)
def test_no_failure_is_told_by_the_name_of_an_exception(phase: Phase, errno: str, detail: str) -> None:
    said = describe(failed("10.2.0.9", phase, errno, detail))
    assert "Error" not in said
    assert not (phase is not Phase.CONNECT and errno and errno in said)


@pytest.mark.parametrize(
    ("errno", "detail"), [("ETIMEDOUT", ""), ("ECONNRESET", ""), ("EPIPE", ""), ("", NO_LOCALPAIR)]
)
def test_a_login_page_in_the_peers_place_is_named_with_what_to_do(errno: str, detail: str) -> None:
    """Also beside addresses that lead nowhere, and although an answer code was shown meanwhile."""
    stranger = failed("10.2.0.9", Phase.PREAMBLE, errno, detail)
    nowhere = failed("172.17.0.1", Phase.CONNECT, "ENETUNREACH")
    hint = told(stranger, nowhere, answered=True).hint
    assert hint is not None
    assert "at 10.2.0.9 in the other device's place" in hint
    assert "login page" in hint
    assert "hotspot or a cable" in hint


@pytest.mark.parametrize(
    "other",
    [
        failed("192.168.1.20", Phase.CONNECT, "ECONNREFUSED"),
        failed("192.168.1.20", Phase.HELLO, "ECONNRESET"),
        failed("10.2.0.9", Phase.PREAMBLE, "", "the other side speaks version 2; this side speaks 1"),
    ],
)
def test_no_login_page_is_blamed_where_the_peer_itself_has_answered(other: Attempt) -> None:
    stranger = failed("10.2.0.8", Phase.PREAMBLE, "ECONNRESET")
    assert "login page" not in (told(stranger, other).hint or "")


def test_errors_of_the_system_have_words() -> None:
    assert describe_error(TimeoutError()) == "no answer in time"
    wrong = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    wrong.reason = "WRONG_VERSION_NUMBER"
    assert describe_error(wrong) == "TLS failed: wrong version number"
