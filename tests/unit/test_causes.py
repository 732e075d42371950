"""What a failed attempt is told as: the words for a person, from what this side has seen itself."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

from localpair.address import IPAddress
from localpair.causes import no_path
from localpair.errors import UnreachableError
from localpair.events import Attempt
from localpair.wire.beacon import Part


def told(
    *attempts: Attempt,
    held_back: Mapping[IPAddress, str] | None = None,
    dropped: tuple[str, ...] = (),
    heard: bool = False,
    part: Part = Part.JOIN,
    answered: bool = False,
) -> UnreachableError:
    """The error of an attempt that ended so."""
    engine: Any = SimpleNamespace(
        tally=SimpleNamespace(attempts=attempts, dropped=dropped),
        hearing=SimpleNamespace(nearby={b"one": None} if heard else {}),
        checklists=SimpleNamespace(held_back=lambda: held_back or {}),
        finder=SimpleNamespace(failures={}),
        wanted=SimpleNamespace(part=part),
    )
    return no_path(engine, answered=answered)


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
