"""Batches that end before their end, from either side."""

from __future__ import annotations

import pytest

from localpair.choices.terms import USUAL
from localpair.protocol.transfer.sender import Accepted, Sender
from localpair.wire.payload import (
    Accept,
    Cancel,
    Closed,
    Finish,
    Kind,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    StopBatch,
)
from transfer_pair import TREE, begun, new_pair, open_receiver


def test_the_sender_cancels() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.cancel("enough")
    while pair.taker.cancelled is None:
        pair.turn()
    assert pair.taker.cancelled == "enough"
    assert pair.taker.machine.phase is ReceivePhase.IDLE


def test_the_receiver_stops_and_what_is_under_way_is_passed_over() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.taker.machine.stop("disk full")
    for _ in range(40):
        pair.turn()
    assert pair.giver.stopped == "disk full"
    assert pair.giver.machine.phase is SendPhase.IDLE
    assert pair.taker.machine.phase is ReceivePhase.IDLE
    assert not pair.taker.failed


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_an_end_that_the_broken_connection_swallowed_is_told_on_the_next_one(who: str) -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.detach()
    pair.taker.detach()
    if who == "sender":
        pair.giver.machine.cancel("enough")
        pair.giver.machine.outbox.clear()
    else:
        pair.taker.machine.stop("disk full")
        pair.taker.machine.outbox.clear()
    pair.connect()
    for _ in range(5):
        pair.turn()
    assert pair.giver.machine.phase is SendPhase.IDLE
    assert pair.taker.machine.phase is ReceivePhase.IDLE
    assert (pair.taker.cancelled is not None) == (who == "sender")
    assert (pair.giver.stopped == "disk full") == (who == "receiver")


def test_a_cancelled_sender_may_start_again_at_once() -> None:
    pair = new_pair()
    while not pair.taker.data:
        pair.turn()
    pair.giver.machine.cancel("enough")
    pair.giver._at, pair.giver._left = 0, None
    pair.giver.machine.offer()
    while pair.taker.machine.phase is not ReceivePhase.OFFERED:
        pair.turn()
    pair.taker.machine.want(USUAL)
    pair.run()
    assert pair.taker.stored[("d", "more")] == TREE[("d", "more")]


def test_a_cancellation_that_crosses_the_end_is_no_fault() -> None:
    receiver = open_receiver()
    receiver.receive(Finish(1))
    receiver.receive(Cancel(1, "too late"))
    assert receiver.phase is ReceivePhase.CLOSED


def test_a_cancellation_whose_start_was_lost_is_no_fault() -> None:
    receiver = begun(10)
    receiver.receive(Cancel(2, "never mind"))
    assert receiver.phase is ReceivePhase.OPEN


def test_answers_to_a_cancelled_batch_are_passed_over() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    sender.begin(Kind.FOLDER, ("d",))
    sender.cancel("enough")
    sender.offer()
    for message in (Settled(1, (Result(0),)), StopBatch(1, "no"), Closed(1), Accept(1)):
        sender.receive(message)
    assert sender.phase is SendPhase.OFFERED
    assert sender.events == [Accepted()]
