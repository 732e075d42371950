"""What a paired device that lies can do with parts that are kept, and with what it says of them."""

from __future__ import annotations

import pytest

from localpair.errors import WireError
from localpair.limits import KEPT_LEAST_BYTES
from localpair.protocol.receiver import PartAsked, Receiver
from localpair.terms import USUAL
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.payload import Ask, Begin, Kind, Start

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
