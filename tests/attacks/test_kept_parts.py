"""What a paired device that lies can do with parts that are kept, and with what it says of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from file_trees import kept_in
from localpair.choices.terms import USUAL
from localpair.errors import WireError
from localpair.limits import KEPT_LEAST_BYTES, KEPT_S
from localpair.protocol.transfer.receiver import PartAsked, Receiver
from localpair.protocol.transfer.sender import EntrySettled, Sender
from localpair.transfer.folder.inbox import Inbox
from localpair.transfer.folder.kept import overdue
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.payload import Accept, Ask, Begin, Kind, Result, Settled, Start

SIZE = 3 * KEPT_LEAST_BYTES
ONE, OTHER = (FileKey.of((name,), SIZE, 7) for name in ("one", "other"))
FAR_MTIME_NS = 1 << 62  # in the year 2116


def test_a_file_goes_on_only_with_the_part_that_was_asked_about_last() -> None:
    receiver = Receiver()
    receiver.want(USUAL, kept=(Kept(ONE, KEPT_LEAST_BYTES),))
    receiver.receive(Start(1))
    receiver.receive(Ask(ONE))
    receiver.tell(Kept(ONE, KEPT_LEAST_BYTES))
    receiver.receive(Ask(OTHER))
    assert receiver.events[-1] == PartAsked(OTHER)  # the part of ONE is let go of for it
    with pytest.raises(WireError, match="not where it stopped"):
        receiver.receive(Begin(0, Kind.FILE, ("one",), SIZE, 7, KEPT_LEAST_BYTES))


def test_a_receiver_that_settles_a_file_before_its_end_has_not_stored_it() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    number = sender.begin(Kind.FILE, ("one",), SIZE)
    sender.data(1)
    sender.receive(Settled(1, (Result(number),)))
    (settled,) = [event for event in sender.events if isinstance(event, EntrySettled)]
    assert not settled.result.stored


def test_a_sender_s_time_of_change_makes_no_part_stay_for_ever(tmp_path: Path) -> None:
    """A whole part already has that time, where the batch was cancelled just before it got its name."""
    inbox = Inbox(tmp_path, "eve")
    part = inbox.part(FileKey.of(("film",), SIZE, FAR_MTIME_NS), "film")
    part.write(bytes(SIZE))
    part.flush(FAR_MTIME_NS)
    part.let_go()
    inbox.close()
    (kept,) = kept_in(tmp_path)
    assert abs(kept.changed - time.time()) < 60
    assert overdue([kept], time.time() + KEPT_S + 61) == [kept]
