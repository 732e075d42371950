"""Terms of receiving: a batch that brings more is stopped, an entry that lies deeper is refused alone."""

from __future__ import annotations

import pytest

from localpair.protocol.receiver import BatchExceeded, EntryFailed, FolderBegun, Receiver
from localpair.terms import USUAL, Terms
from localpair.wire.framing import Frame
from localpair.wire.payload import (
    Begin,
    Cancel,
    End,
    Kind,
    Payload,
    ReceivePhase,
    Start,
    Stop,
    Total,
    decode_payload,
)
from transfer_pair import digest


def on_terms(terms: Terms, *messages: Payload) -> Receiver:
    receiver = Receiver()
    receiver.want(terms)
    receiver.receive(Start(1))
    for message in messages:
        receiver.receive(message)
    return receiver


@pytest.mark.parametrize(
    ("terms", "fits", "exceeds"),
    [
        (Terms(files=2), Begin(1, Kind.FOLDER, ("b",)), Begin(2, Kind.MISSING, ("c",))),
        (Terms(size=10), Begin(1, Kind.FILE, ("b",), 7), Begin(2, Kind.FILE, ("c",), 1)),
        (Terms(files=2), Total(2, 9), Total(3, 9)),
        (Terms(size=10), Total(2, 10), Total(2, 11)),
    ],
)  # fmt: skip
def test_a_batch_that_brings_more_than_was_agreed_to_is_stopped(
    terms: Terms, fits: Total | Begin, exceeds: Total | Begin
) -> None:
    receiver = on_terms(terms, Begin(0, Kind.FILE, ("a",), 3), End(0, digest(b"")), fits)
    if isinstance(fits, Begin) and fits.kind is Kind.FILE:
        receiver.receive(End(1, digest(b"")))
    assert receiver.phase is ReceivePhase.OPEN
    receiver.receive(exceeds)
    assert receiver.phase is ReceivePhase.STOPPED
    assert isinstance(receiver.events[-1], BatchExceeded)
    assert isinstance(receiver.outbox[-1], Stop)
    assert "more than" in receiver.outbox[-1].reason
    receiver.receive(Begin(5, Kind.FILE, ("sent before the stop arrived",), 3))
    assert not receiver.data(3)
    receiver.receive(Cancel(1, "stopped"))
    receiver.want(USUAL)
    receiver.receive(Start(2))
    receiver.receive(Begin(0, Kind.FILE, ("a",), 11))
    assert receiver.phase is ReceivePhase.OPEN


def test_a_file_that_goes_on_over_a_new_connection_is_counted_once() -> None:
    receiver = on_terms(Terms(files=1, size=10), Begin(0, Kind.FILE, ("a",), 10))
    for _ in range(3):
        assert receiver.detach() == 0
        receiver.keep(None)
        receiver.receive(Begin(0, Kind.FILE, ("a",), 10))
    assert receiver.phase is ReceivePhase.OPEN
    assert receiver.detach() == 0
    receiver.keep(None)
    receiver.receive(Begin(0, Kind.FILE, ("a",), 11))
    assert receiver.phase is ReceivePhase.STOPPED


@pytest.mark.parametrize(
    ("parts", "reason"),
    [(("d",) * 4, "deeper than 3"), (("d",) * 255, "deeper"), (("d", "n" * 60_000), "too long")],
)
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.FOLDER])
def test_an_entry_too_deep_or_with_too_long_a_name_is_refused_alone(
    parts: tuple[str, ...], reason: str, kind: Kind
) -> None:
    message = decode_payload(Frame(Begin.TYPE, Begin(0, kind, parts, 3).encode()))
    assert isinstance(message, Begin)
    receiver = on_terms(Terms(depth=3), message)
    if kind is Kind.FILE:
        assert not receiver.data(3)
        receiver.receive(End(0, digest(b"abc")))
    receiver.receive(Begin(1, Kind.FOLDER, ("d", "d", "d")))
    refused, made = (event for event in receiver.events if isinstance(event, EntryFailed | FolderBegun))
    assert isinstance(refused, EntryFailed)
    assert reason in refused.reason
    assert made == FolderBegun(1, ("d", "d", "d"))
