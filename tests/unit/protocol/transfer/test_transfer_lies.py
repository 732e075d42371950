"""A side of a transfer that lies: what the other one refuses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localpair.choices.terms import USUAL
from localpair.errors import WireError
from localpair.limits import (
    UNSETTLED_ENTRIES,
)
from localpair.protocol.transfer.filenames import safe_name
from localpair.protocol.transfer.receiver import (
    EntryFailed,
    FileBegun,
    FileDropped,
    FolderBegun,
    Receiver,
)
from localpair.protocol.transfer.sender import EntrySettled, Sender
from localpair.wire.payload import (
    Abandon,
    Accept,
    Attach,
    Begin,
    Cancel,
    Closed,
    End,
    Finish,
    Kind,
    Partial,
    Payload,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    Total,
)
from transfer_pair import OWN, PEER, begun, digest, open_receiver


def test_more_bytes_than_announced_are_refused_and_the_rest_thrown_away() -> None:
    receiver = begun(10)
    assert receiver.data(10)
    assert not receiver.data(1)
    assert not receiver.data(1 << 40)
    assert [type(event) for event in receiver.events] == [FileDropped, EntryFailed]
    receiver.receive(End(0, digest(b"")))
    receiver.receive(Begin(1, Kind.FILE, ("g",), 1))
    assert receiver.data(1)
    [settled] = [message for message in receiver.outbox if isinstance(message, Settled)]
    assert not settled.results[0].stored


def test_fewer_bytes_than_announced_are_refused() -> None:
    receiver = begun(10)
    receiver.data(9)
    receiver.receive(End(0, digest(b"")))
    assert [type(event) for event in receiver.events] == [FileDropped, EntryFailed]


def test_an_abandoned_file_is_dropped_and_told() -> None:
    receiver = begun(10)
    receiver.data(3)
    receiver.receive(Abandon(0, "it changed"))
    assert receiver.events == [FileDropped(0), EntryFailed(0, "f", "it changed")]
    assert receiver.outbox == [Settled(1, (Result(0, reason="it changed"),))]


@pytest.mark.parametrize(
    "message",
    [
        Begin(1, Kind.FILE, ("g",), 1),
        Begin(0, Kind.FILE, ("g",), 1),
        Begin(1, Kind.FILE, ("g",), 10, offset=5),
        End(1, bytes(32)),
        Abandon(7, "?"),
        Finish(1),
        Finish(2),
        Start(2),
        Start(0),
    ],
    ids=repr,
)
def test_what_does_not_fit_ends_the_session(message: Payload) -> None:
    receiver = begun(10)
    with pytest.raises(WireError):
        receiver.receive(message)  # type: ignore[arg-type]


def test_bytes_without_a_file_end_the_session() -> None:
    receiver = open_receiver()
    with pytest.raises(WireError):
        receiver.data(1)


def test_entries_outside_a_batch_end_the_session() -> None:
    with pytest.raises(WireError):
        Receiver().receive(Begin(0, Kind.FOLDER, ("d",)))


@pytest.mark.parametrize(
    "message",
    [Settled(1, (Result(0),)), Accept(2), Closed(1), Settled(2, ()), StopBatch(9, "?")],
    ids=repr,
)
def test_a_receiver_that_lies_is_found_out(message: Payload) -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    with pytest.raises(WireError):
        sender.receive(message)  # type: ignore[arg-type]


def test_a_receiver_that_stored_other_bytes_has_not_stored_the_file() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    sender.begin(Kind.FILE, ("f",), 3)
    sender.data(3)
    sender.end(digest(b"abc"))
    sender.receive(Settled(1, (Result(0, digest(b"abd")),)))
    event = sender.events[-1]
    assert isinstance(event, EntrySettled)
    assert not event.result.stored


@pytest.mark.parametrize(
    "state",
    [
        {"next_id": 3},
        {"next_id": 1},
        {"next_id": 0, "partial": Partial(1, 1, bytes(32))},
        {"next_id": 2, "results": (Result(0),)},
        {"next_id": 0, "results": (Result(2),)},
        {"batch": 4},
        {"phase": ReceivePhase.IDLE},
        {"phase": ReceivePhase.CLOSED},
    ],
    ids=repr,
)
def test_a_state_that_cannot_be_is_refused(state: dict[str, object]) -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    for name in ("a", "b"):
        sender.begin(Kind.FOLDER, (name,))
    sender.detach()
    batch, phase = state.pop("batch", 1), state.pop("phase", ReceivePhase.OPEN)
    with pytest.raises(WireError):
        sender.attach(Attach(OWN, PEER, 0, 0, SendPhase.IDLE, batch, phase, **state))  # type: ignore[arg-type]


receiver_messages = st.one_of(
    st.builds(Start, st.integers(0, 3)),
    st.builds(
        Begin, st.integers(0, 4), st.sampled_from(Kind),
        st.lists(st.sampled_from(["a", "..", "A", "con", "", "a/b"]), min_size=1, max_size=3).map(tuple),
        st.integers(0, 9), st.integers(0, 9), st.integers(0, 4),
    ),
    st.builds(End, st.integers(0, 4), st.just(bytes(32))),
    st.builds(Abandon, st.integers(0, 4), st.just("?")),
    st.builds(Total, st.integers(0, 9), st.integers(0, 9)),
    st.builds(Finish, st.integers(0, 3)),
    st.builds(Cancel, st.integers(0, 3), st.just("?")),
    st.integers(0, 9),
    st.sampled_from(["want", "stop", "detach"]),
)  # fmt: skip


@given(st.lists(receiver_messages, max_size=30))
@settings(max_examples=300)
def test_a_receiver_under_garbage_stays_itself(script: list[object]) -> None:
    """Whatever comes gives events or one WireError, and every path in them is safe."""
    receiver = Receiver()
    try:
        for item in script:
            _apply(receiver, item)
            for event in receiver.events:
                if isinstance(event, FileBegun | FolderBegun):
                    assert all(safe_name(part) == part for part in event.parts)
    except WireError:
        pass
    assert len(receiver._paths) <= UNSETTLED_ENTRIES


def _apply(receiver: Receiver, item: object) -> None:
    if isinstance(item, int):
        receiver.data(item)
    elif item == "want":
        receiver.want(USUAL)
    elif item == "stop":
        receiver.stop("?")
    elif item == "detach":
        if receiver.detach() is not None:
            receiver.keep(None)
    else:
        receiver.receive(item)  # type: ignore[arg-type]
