"""Both halves of a transfer, back to back: no socket, no disk, and a connection that breaks wherever it can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.choices.terms import USUAL
from localpair.errors import WireError
from localpair.limits import (
    UNSETTLED_ENTRIES,
)
from localpair.protocol.transfer.sender import Sender
from localpair.wire.payload import (
    Accept,
    Begin,
    Kind,
    ReceivePhase,
    Result,
    Settled,
)
from transfer_pair import TREE, Pair, Tree, new_pair, open_receiver


def test_a_tree_arrives_and_both_sides_know() -> None:
    pair = new_pair()
    pair.run()
    assert pair.taker.stored == TREE
    assert [pair.giver.settled[number].stored for number in range(4)] == [True] * 4
    assert not pair.taker.failed


def test_nothing_is_sent_before_the_receiver_wants_it() -> None:
    pair = new_pair(wanted=False)
    for _ in range(20):
        pair.turn()
    assert pair.delivered == 1
    assert pair.taker.machine.phase is ReceivePhase.OFFERED
    pair.taker.machine.want(USUAL)
    pair.run()
    assert pair.taker.stored == TREE


def test_an_empty_batch_ends() -> None:
    pair = new_pair({})
    pair.run()
    assert pair.taker.stored == {}


def test_two_batches_one_after_the_other() -> None:
    pair = new_pair()
    pair.run()
    second: Tree = {("d", "ten"): b"another"}
    pair.giver.tree, pair.giver.entries, pair.giver._at = second, list(second.items()), 0
    pair.giver.done = pair.taker.finished = False
    pair.giver.machine.offer()
    pair.taker.machine.want(USUAL)
    pair.run()
    assert pair.taker.stored[("d", "ten")] == b"another"


def frames_of_a_run(count: Callable[[Pair], int]) -> int:
    pair = new_pair()
    pair.run()
    return count(pair)


FORTH = frames_of_a_run(lambda pair: pair.delivered)


BACK = frames_of_a_run(lambda pair: pair.delivered_back)


@pytest.mark.parametrize("at", range(1, FORTH + 1))
def test_resume_after_every_frame_to_the_receiver(at: int) -> None:
    pair = new_pair()
    while not pair.turn(forth=at):
        pass
    pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert all(result.stored for result in pair.giver.settled.values())


@pytest.mark.parametrize("at", range(1, BACK + 1))
def test_resume_after_every_frame_to_the_sender(at: int) -> None:
    pair = new_pair()
    while not pair.turn(back=at):
        pass
    pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert len(pair.giver.settled) == len(TREE)


@given(st.lists(st.integers(0, 6), max_size=12))
def test_any_number_of_breaks_in_any_place(gaps: list[int]) -> None:
    pair = new_pair()
    for gap in gaps:
        for _ in range(gap):
            if not pair.giver.done:
                pair.turn()
        pair.break_now()
    pair.run()
    assert pair.taker.stored == TREE
    assert pair.connections == len(gaps) + 1


def test_a_resumed_file_is_not_sent_again() -> None:
    pair = new_pair({("big",): bytes(400)})
    while pair.giver.chunks_sent < 50:
        pair.turn()
    pair.break_now()
    pair.run()
    assert pair.giver.chunks_sent <= 102


@pytest.mark.parametrize("changed", [b"0023456789", b"012", b"something longer than before"])
def test_a_file_that_changed_meanwhile_starts_anew(changed: bytes) -> None:
    pair = new_pair({("ten",): b"0123456789"})
    while len(pair.taker.data) < 8:
        pair.turn()
    pair.giver.tree = {("ten",): changed}
    pair.giver.entries = list(pair.giver.tree.items())
    pair.break_now()
    pair.run()
    assert pair.taker.stored == {("ten",): changed}


def test_a_partial_file_that_was_lost_starts_anew() -> None:
    pair = new_pair({("ten",): b"0123456789"})
    while len(pair.taker.data) < 8:
        pair.turn()
    pair.giver.machine.detach()
    pair.taker.machine.detach()
    pair.taker.machine.keep(None)
    pair.connect()
    pair.run()
    assert pair.taker.stored == {("ten",): b"0123456789"}


def test_the_window_bounds_what_is_unsettled() -> None:
    sender = Sender()
    sender.offer()
    sender.receive(Accept(1))
    for _ in range(UNSETTLED_ENTRIES):
        assert sender.room
        sender.begin(Kind.FOLDER, ("d",))
    assert not sender.room
    with pytest.raises(ValueError, match="unsettled"):
        sender.begin(Kind.FOLDER, ("d",))
    sender.receive(Settled(1, (Result(1),)))
    assert not sender.room
    sender.receive(Settled(1, (Result(0),)))
    assert sender.room


def test_a_sender_beyond_the_window_is_refused() -> None:
    receiver = open_receiver()
    for number in range(UNSETTLED_ENTRIES):
        receiver.receive(Begin(number, Kind.FOLDER, (f"d{number}",)))
    with pytest.raises(WireError):
        receiver.receive(Begin(UNSETTLED_ENTRIES, Kind.FOLDER, ("last",)))
