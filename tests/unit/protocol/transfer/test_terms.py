"""Terms of receiving: a batch that brings more is stopped, an entry that lies deeper is refused alone."""

from __future__ import annotations

import pytest

from localpair.choices.terms import USUAL, Terms
from localpair.errors import WireError
from localpair.limits import GROWN_BYTES
from localpair.protocol.transfer.receiver import BatchExceeded, Counted, EntryFailed, FolderBegun, Receiver
from localpair.protocol.transfer.sender import Sender, StoppedByReceiver
from localpair.wire.framing import Frame
from localpair.wire.payload import (
    Begin,
    Cancel,
    End,
    Kind,
    Payload,
    ReceivePhase,
    SendPhase,
    Start,
    StopBatch,
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
    assert isinstance(receiver.outbox[-1], StopBatch)
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


# --- what a person is asked about


def offered(*totals: Total) -> Receiver:
    receiver = Receiver()
    receiver.receive(Start(1))
    for total in totals:
        receiver.receive(total)
    return receiver


def test_what_the_sender_counted_is_known_before_the_batch_is_taken() -> None:
    receiver = offered(Total(2, 9, 40, tuple(str(number) for number in range(40))))
    assert receiver.phase is ReceivePhase.OFFERED
    assert receiver.counted == Counted(2, 9, 40, ("0", "1", "2", "3", "4", "5", "6", "7"))
    receiver.want(USUAL)
    assert receiver.counted in receiver.events
    receiver.receive(Cancel(1, "?"))
    receiver.receive(Start(2))
    assert receiver.counted is None


def test_a_batch_that_says_too_much_before_it_is_taken_is_stopped_at_once() -> None:
    receiver = offered(Total(2, 9))
    receiver.want(Terms(size=8))
    assert receiver.phase is ReceivePhase.STOPPED
    assert isinstance(receiver.events[-1], BatchExceeded)


def test_a_batch_that_is_declined_ends_on_both_sides() -> None:
    sender, receiver = Sender(), Receiver()
    sender.offer()
    sender.count(Total(1, 3, 1, ("a",)))
    for message in sender.outbox:
        receiver.receive(message)  # type: ignore[arg-type]
    receiver.decline("no")
    assert receiver.outbox == [StopBatch(1, "no")]
    sender.outbox.clear()
    sender.receive(StopBatch(1, "no"))
    assert sender.events == [StoppedByReceiver("no")]
    [cancel] = sender.outbox
    assert isinstance(cancel, Cancel)
    receiver.receive(cancel)
    assert receiver.phase is ReceivePhase.IDLE


def test_what_was_counted_is_told_again_on_a_new_connection() -> None:
    sender, receiver = Sender(), Receiver()
    sender.offer()
    sender.count(Total(1, 3, 1, ("a",)))
    sender.detach()  # nothing has arrived
    sender.attach(receiver.state(b"o" * 16, b"p" * 16, 0, 0, SendPhase.IDLE))
    assert sender.outbox == [Start(1), Total(1, 3, 1, ("a",))]


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        (Counted(1, 100), True),
        (Counted(1, 0), True),  # small files grow
        (Counted(0, 100), False),
        (Counted(100, 100_000_000), True),
    ],
)
def test_not_much_more_may_come_than_what_a_person_was_told(said: Counted, fits: bool) -> None:
    receiver = offered()
    receiver.want(USUAL, said)
    receiver.receive(Begin(0, Kind.FOLDER, ("d",)))
    receiver.receive(Begin(1, Kind.FILE, ("d", "f"), GROWN_BYTES))
    assert (receiver.phase is ReceivePhase.OPEN) is fits


def test_an_eighth_more_may_come_than_what_a_person_was_told() -> None:
    for size, fits in ((900_000_000, True), (900_000_001, False)):
        receiver = offered()
        receiver.want(USUAL, Counted(1, 800_000_000))
        receiver.receive(Begin(0, Kind.FILE, ("f",), size))
        assert (receiver.phase is ReceivePhase.OPEN) is fits
    for files, fits in ((9, True), (10, False)):
        receiver = offered()
        receiver.want(USUAL, Counted(8, 0))
        for number in range(files):
            receiver.receive(Begin(number, Kind.FILE, (f"{number}",)))
            if receiver.phase is ReceivePhase.OPEN:
                receiver.receive(End(number, digest(b"")))
        assert (receiver.phase is ReceivePhase.OPEN) is fits


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        (Counted(1, 5, 2, ("a", "b")), True),
        (Counted(1, 5, 2, ("b", "c")), False),
        (Counted(1, 5, 1, ("A",)), False),
        (Counted(1, 5, 9, ("b", "c")), True),  # more than was shown
        (Counted(1, 5), True),  # it named none, and a person agreed
    ],
)
def test_no_other_names_may_come_than_those_a_person_was_shown(said: Counted, fits: bool) -> None:
    receiver = offered()
    receiver.want(USUAL, said)
    receiver.receive(Begin(0, Kind.FILE, ("a",), 5))
    assert (receiver.phase is ReceivePhase.OPEN) is fits
    if not fits:
        assert receiver.outbox[-1] == StopBatch(
            1, "it brings other names than it said when a person was asked"
        )


def test_a_count_outside_a_batch_breaks_the_protocol() -> None:
    with pytest.raises(WireError):
        Receiver().receive(Total(1, 1))
