"""The two halves of a transfer, and the parts that an earlier session has left."""

from __future__ import annotations

import pytest

from localpair.choices.terms import USUAL
from localpair.errors import WireError
from localpair.limits import KEPT_LEAST_BYTES
from localpair.protocol.transfer.receiver import FileBegun, PartAsked, Receiver
from localpair.protocol.transfer.sender import PartTold, Sender
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.payload import (
    Accept,
    Ask,
    Attach,
    Begin,
    End,
    Have,
    Kind,
    Payload,
    ReceivePhase,
    SendPhase,
    Start,
)

SIZE = 3 * KEPT_LEAST_BYTES
KEY = FileKey.of(("d", "film"), SIZE, 7)
OTHER = FileKey.of(("d", "other"), SIZE, 7)
PART = Kept(KEY, KEPT_LEAST_BYTES)
HASH = bytes(range(32))
TOKEN = bytes(16)


def begin(offset: int, *, number: int = 0, name: str = "film", size: int = SIZE, mtime: int = 7) -> Begin:
    return Begin(number, Kind.FILE, ("d", name), size, mtime, offset)


def receiver(*, told: Kept | None = None) -> Receiver:
    """One that has accepted a batch and, with ``told``, has answered a question."""
    made = Receiver()
    made.want(USUAL, kept=(PART,))
    made.receive(Start(1))
    if told is not None:
        made.receive(Ask(told.key))
        made.tell(told, HASH)
    made.events.clear()
    made.outbox.clear()
    return made


def sender() -> Sender:
    made = Sender()
    made.offer()
    made.receive(Accept(1, (PART,)))
    made.events.clear()
    made.outbox.clear()
    return made


def state(batch: int, phase: SendPhase) -> Attach:
    return Attach(TOKEN, TOKEN, 0, batch, phase, 0, ReceivePhase.IDLE)


def test_a_file_goes_on_behind_the_part_that_the_receiver_has_kept() -> None:
    giver, taker = Sender(), Receiver()
    taker.want(USUAL, kept=(PART,))
    giver.offer()
    forth(giver, taker)
    back(taker, giver)
    assert giver.kept == {KEY: PART.offset}
    giver.ask(KEY)
    forth(giver, taker)
    assert PartAsked(KEY) in taker.events
    taker.tell(PART, HASH)
    back(taker, giver)
    assert giver.events[-1] == PartTold(PART.offset, HASH)
    giver.begin(Kind.FILE, ("d", "film"), SIZE, 7, offset=PART.offset)
    giver.data(SIZE - PART.offset)
    forth(giver, taker)
    begun = taker.events[-1]
    assert isinstance(begun, FileBegun)
    assert (begun.offset, begun.key) == (PART.offset, KEY)
    assert taker.data(SIZE - PART.offset)
    taker.receive(End(0, HASH))
    assert taker.outbox == []


def forth(giver: Sender, taker: Receiver) -> None:
    for message in drain(giver):
        taker.receive(message)  # type: ignore[arg-type]


def back(taker: Receiver, giver: Sender) -> None:
    for message in drain(taker):
        giver.receive(message)  # type: ignore[arg-type]


def drain(machine: Sender | Receiver) -> list[Payload]:
    messages, machine.outbox = machine.outbox, []
    return messages


@pytest.mark.parametrize(
    "wrong",
    [
        begin(PART.offset + 1),
        begin(PART.offset - 1),
        begin(PART.offset, name="other"),
        begin(PART.offset, size=SIZE + 1),
        begin(PART.offset, mtime=8),
        Begin(0, Kind.FOLDER, ("d", "film"), SIZE, 7, PART.offset),
    ],
)
def test_no_other_file_and_no_other_offset_goes_on_with_what_was_told(wrong: Begin) -> None:
    with pytest.raises(WireError, match="not where it stopped"):
        receiver(told=PART).receive(wrong)


def test_nothing_goes_on_that_was_not_asked_about() -> None:
    with pytest.raises(WireError, match="not where it stopped"):
        receiver().receive(begin(PART.offset))


def test_a_file_may_begin_anew_in_spite_of_its_part() -> None:
    taker = receiver(told=PART)
    taker.receive(begin(0))
    assert taker.events == [FileBegun(0, ("d", "film"), SIZE, 7, 0, KEY)]


def test_what_was_told_holds_for_one_file_and_one_connection() -> None:
    taker = receiver(told=PART)
    taker.receive(Begin(0, Kind.FOLDER, ("e",)))
    with pytest.raises(WireError, match="not where it stopped"):
        taker.receive(begin(PART.offset, number=1))
    taker = receiver(told=PART)
    taker.detach()
    with pytest.raises(WireError, match="not where it stopped"):
        taker.receive(begin(PART.offset))


def test_a_part_that_is_longer_than_its_file_is_no_part_of_it() -> None:
    with pytest.raises(WireError, match="not where it stopped"):
        receiver(told=Kept(KEY, SIZE + 1)).receive(begin(SIZE + 1))


def test_small_files_have_no_key() -> None:
    taker = receiver()
    taker.receive(begin(0, size=KEPT_LEAST_BYTES))
    begun = taker.events[-1]
    assert isinstance(begun, FileBegun)
    assert begun.key is None


def test_one_question_at_a_time_and_none_inside_a_file() -> None:
    taker = receiver()
    taker.receive(Ask(KEY))
    with pytest.raises(WireError, match="question"):
        taker.receive(Ask(KEY))
    taker = receiver()
    taker.receive(begin(0))
    with pytest.raises(WireError, match="question"):
        taker.receive(Ask(OTHER))
    with pytest.raises(WireError, match="outside a batch"):
        Receiver().receive(Ask(KEY))


def test_the_answer_to_a_question_of_an_earlier_connection_is_not_told() -> None:
    taker = receiver()
    taker.receive(Ask(KEY))
    taker.detach()
    taker.tell(PART, HASH)
    assert taker.outbox == []
    giver = sender()
    giver.ask(KEY)
    giver.detach()
    giver.receive(Have(1, PART, HASH))
    assert giver.events == []


def test_an_answer_about_another_file_is_passed_over() -> None:
    giver = sender()
    giver.ask(KEY)
    giver.receive(Have(1, Kept(OTHER, 5), HASH))
    giver.receive(Have(1, PART, HASH))
    giver.receive(Have(1, PART, HASH))
    assert giver.events == [PartTold(PART.offset, HASH)]


def test_the_sender_asks_only_between_files() -> None:
    giver = sender()
    giver.begin(Kind.FILE, ("d", "film"), SIZE, 7)
    with pytest.raises(ValueError, match="under way"):
        giver.ask(OTHER)


def test_a_lost_acceptance_comes_again_with_its_parts() -> None:
    """Without it the sender would go on, and would know of no part."""
    giver, taker = Sender(), Receiver()
    giver.offer()
    taker.want(USUAL, kept=(PART,))
    forth(giver, taker)
    taker.detach()
    giver.detach()
    theirs = taker.state(TOKEN, TOKEN, 0, 0, SendPhase.IDLE)
    taker.attach(state(1, SendPhase.OFFERED))
    assert giver.attach(theirs) is None
    assert giver.phase is SendPhase.OFFERED
    back(taker, giver)
    assert giver.phase is SendPhase.OPEN
    assert giver.kept == {KEY: PART.offset}


def test_the_parts_of_one_batch_mean_nothing_for_the_next() -> None:
    giver = sender()
    giver.cancel("enough")
    giver.offer()
    assert giver.kept == {}
    giver.receive(Accept(2))
    assert giver.kept == {}
