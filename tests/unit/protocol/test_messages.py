"""Messages of the application: numbered, bounded, each once."""

from __future__ import annotations

import pytest

from localpair.errors import WireError
from localpair.limits import (
    NOTES_AHEAD,
    NOTES_AHEAD_BYTES,
)
from localpair.protocol.messages import MessageQueue
from localpair.wire.payload import (
    Note,
    NoteAck,
)


def test_messages_arrive_once_and_in_order_over_broken_connections() -> None:
    ours, theirs, heard = MessageQueue(), MessageQueue(), []
    lost = [ours.post(b"1"), ours.post(b"2")]
    assert theirs.receive(lost[0])
    heard.append(lost[0].data)
    number = theirs.received
    while (note := ours.after(number)) is not None:
        number = note.number
        assert theirs.receive(note)
        heard.append(note.data)
    assert not theirs.receive(lost[1])
    assert heard == [b"1", b"2"]
    ours.acknowledge(theirs.ack())
    assert ours.unacknowledged == 0
    assert ours.after(2) is None


def test_the_window_of_messages_opens_when_they_are_taken() -> None:
    ours, theirs = MessageQueue(), MessageQueue()
    for _ in range(NOTES_AHEAD):
        assert ours.room(1)
        assert theirs.receive(ours.post(b"x"))
    ours.acknowledge(theirs.ack())
    assert not ours.room(1)
    with pytest.raises(WireError):
        theirs.receive(Note(NOTES_AHEAD + 1, b"x"))
    theirs.take()
    ours.acknowledge(theirs.ack())
    assert ours.room(1)


def test_a_large_message_passes_an_empty_window_and_then_none() -> None:
    ours, theirs = MessageQueue(), MessageQueue()
    assert ours.room(NOTES_AHEAD_BYTES + 1)
    assert theirs.receive(ours.post(bytes(NOTES_AHEAD_BYTES)))
    assert not ours.room(1)
    with pytest.raises(WireError):
        theirs.receive(Note(2, b"x"))


@pytest.mark.parametrize("ack", [NoteAck(2, 0), NoteAck(1, 2)])
def test_an_acknowledgement_of_what_was_never_sent_is_refused(ack: NoteAck) -> None:
    notes = MessageQueue()
    notes.post(b"x")
    with pytest.raises(WireError):
        notes.acknowledge(ack)


def test_a_gap_in_messages_is_refused() -> None:
    with pytest.raises(WireError):
        MessageQueue().receive(Note(2, b"x"))
