"""A person is asked before files are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import localpair.transfer.incoming
from file_trees import TREE, harvest, pair, plant, transfer
from localpair.choices.settings import ReceiveRequest
from localpair.choices.terms import USUAL, Terms
from localpair.errors import Refusal, RefusedError, TransferError, UnreachableError
from localpair.session import Session
from streams import Net, run, until

SIZE = sum(len(data) for data in TREE.values() if data is not None)
FILES = sum(data is not None for data in TREE.values())


class Person:
    """Answers, and keeps what was asked; ``thinking`` until told to go on."""

    def __init__(self, answer: bool, *, thinking: bool = False) -> None:
        self.asked: list[ReceiveRequest] = []
        self.decided = asyncio.Event()
        if not thinking:
            self.decided.set()
        self._answer = answer

    async def __call__(self, request: ReceiveRequest) -> bool:
        self.asked.append(request)
        await self.decided.wait()
        return self._answer


Ask = Callable[[ReceiveRequest], Awaitable[bool]]


async def both(
    one: Session, other: Session, path: Path, target: Path, approve: Ask, terms: Terms = USUAL
) -> list[object]:
    return await asyncio.gather(
        one.send_files([path]), other.receive_files(target, terms, approve), return_exceptions=True
    )


def test_a_yes_lets_everything_come(source: Path, target: Path) -> None:
    async def main() -> None:
        person = Person(answer=True)
        async with pair() as (one, other):
            outcome = await both(one, other, plant(source), target, person)
        assert not any(isinstance(error, BaseException) for error in outcome)
        assert person.asked == [ReceiveRequest(other.peer, FILES, SIZE, ("d",), 0)]

    run(main())
    assert harvest(target) == TREE


def test_a_no_is_told_on_both_sides_and_the_session_goes_on(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sent, received = await both(one, other, plant(source), target, Person(answer=False))
            assert isinstance(sent, TransferError)
            assert "declined" in sent.message
            assert isinstance(received, RefusedError)
            assert received.reason is Refusal.NOT_APPROVED
            assert harvest(target) == {}
            await transfer(one, other, [source / "d"], target)

    run(main())
    assert harvest(target) == TREE


def test_what_is_refused_is_told_with_its_reason_and_the_session_goes_on(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sent, declined = await asyncio.gather(
                one.send_files([plant(source)]), other.decline_files("a rule says so"), return_exceptions=True
            )
            assert isinstance(sent, TransferError)
            assert "a rule says so" in sent.message
            assert declined is True
            await transfer(one, other, [source / "d"], target)

    run(main())
    assert harvest(target) == TREE


def test_what_is_offered_can_be_taken_once_that_is_decided(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sending = asyncio.create_task(one.send_files([plant(source)]))
            assert await other.files_offered()
            assert not sending.done()
            await other.receive_files(target)
            await sending

    run(main())
    assert harvest(target) == TREE


def test_where_nothing_is_sent_nothing_is_refused() -> None:
    async def main() -> None:
        async with pair() as (one, other):
            waiting = asyncio.gather(other.files_offered(), other.decline_files("a rule says so"))
            await one.close()
            assert await waiting == [False, False]

    run(main())


def test_a_lost_connection_is_no_refusal() -> None:
    async def main() -> None:
        net = Net()
        async with pair(net) as (_, other):
            declining = asyncio.create_task(other.decline_files("a rule says so"))
            net.broken = UnreachableError("there is no way back")
            net.wires[0].cut()
            with pytest.raises(TransferError):
                await declining

    run(main())


def test_names_are_asked_about_as_they_would_be_stored(source: Path, target: Path) -> None:
    async def main() -> None:
        for allowed, name in ((False, "_.ssh"), (True, ".ssh")):
            person = Person(answer=False)
            async with pair() as (one, other):
                path = plant(source, {".ssh": None, ".ssh/authorized_keys": b"evil"})
                await both(one, other, path, target, person, Terms(allow_hidden=allowed))
            assert person.asked[0].names == (name,)

    run(main())


def test_nobody_is_asked_about_what_the_terms_exclude(source: Path, target: Path) -> None:
    async def main() -> None:
        person = Person(answer=True)
        async with pair() as (one, other):
            sent, received = await both(one, other, plant(source), target, person, Terms(files=2))
        assert person.asked == []
        assert isinstance(sent, TransferError)
        assert isinstance(received, TransferError)
        assert "more than 2 files" in received.message

    run(main())


def test_a_sender_that_changes_its_mind_ends_the_question(source: Path, target: Path) -> None:
    async def main() -> None:
        person = Person(answer=True, thinking=True)
        async with pair() as (one, other):
            sending = asyncio.create_task(one.send_files([plant(source)]))
            receiving = asyncio.create_task(other.receive_files(target, approve=person))
            await until(lambda: bool(person.asked))
            sending.cancel()
            with pytest.raises(TransferError, match="the sender cancelled"):
                await receiving
            await asyncio.wait([sending])
        assert not person.decided.is_set()

    run(main())
    assert harvest(target) == {}


@pytest.mark.parametrize("ends", ["one", "other"])
def test_a_session_that_ends_ends_the_question(source: Path, target: Path, ends: str) -> None:
    async def main() -> None:
        person = Person(answer=True, thinking=True)
        async with pair() as (one, other):
            sending = asyncio.create_task(one.send_files([plant(source)]))
            receiving = asyncio.create_task(other.receive_files(target, approve=person))
            await until(lambda: bool(person.asked))
            await (one if ends == "one" else other).close()
            for task in (sending, receiving):
                with pytest.raises(TransferError):
                    await task

    run(main())
    assert harvest(target) == {}


def test_the_question_outlives_a_broken_connection(source: Path, target: Path) -> None:
    async def main() -> None:
        net, person = Net(), Person(answer=True, thinking=True)
        async with pair(net) as (one, other):
            moving = asyncio.create_task(both(one, other, plant(source), target, person))
            await until(lambda: bool(person.asked))
            net.wires[0].cut()
            await until(lambda: len(net.wires) > 1)
            person.decided.set()
            await moving
        assert len(person.asked) == 1

    run(main())
    assert harvest(target) == TREE


def test_who_does_not_answer_has_said_no(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localpair.transfer.incoming, "APPROVAL_S", 0.05)

    async def main() -> None:
        async with pair() as (one, other):
            person = Person(answer=True, thinking=True)
            sent, received = await both(one, other, plant(source), target, person)
            assert isinstance(sent, TransferError)
            assert isinstance(received, RefusedError)

    run(main())
    assert harvest(target) == {}


def test_a_question_that_fails_declines(source: Path, target: Path) -> None:
    async def broken(_: ReceiveRequest) -> bool:
        raise ZeroDivisionError

    async def main() -> None:
        async with pair() as (one, other):
            sent, received = await both(one, other, plant(source), target, broken)
            assert isinstance(sent, TransferError)
            assert isinstance(received, ZeroDivisionError)

    run(main())


def test_a_sender_that_does_not_count_is_asked_about_all_the_same(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.incoming, "COUNT_S", 0.05)
    monkeypatch.setattr("localpair.transfer.batch.Batch.counted", lambda *_: None)

    async def main() -> None:
        person = Person(answer=True)
        async with pair() as (one, other):
            await both(one, other, plant(source), target, person)
        assert person.asked == [ReceiveRequest(other.peer, None, None, (), 0)]

    run(main())
    assert harvest(target) == TREE
