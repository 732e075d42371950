"""The exchange of facts: who is asked and when, what is told to whom, and what is kept of what comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.causes.facts import Ending, RunFacts
from localpair.causes.records.compact import decode
from localpair.causes.records.telling import packed
from localpair.limits import (
    FACTS_AFTER_S,
    FACTS_BEACONS,
    FACTS_COMPACT_BYTES,
    FACTS_SAME_S,
    FACTS_WAIT_S,
    PEERS,
)
from localpair.net.agent.facts_exchange import FactsExchange
from localpair.protocol.discovery_events import Counterpart, FactsCame
from localpair.protocol.facts_talk import FactsTalk
from localpair.wire.beacon import NO_TOKEN, FactsPart, Part
from run_facts import dropping_host, host, joiner

PLACE = ip_address("192.168.77.20")
PEER = Counterpart(b"instance", "offer", PLACE, 46820, 2, frozenset({PLACE}))
TOKEN = b"question"


@dataclass
class Radio:
    """Stands for the announcer and its discovery: who is heard, and what was told to whom."""

    heard: list[Counterpart] = field(default_factory=lambda: [PEER])
    is_paused: bool = False
    has_way: bool = True
    told: list[tuple[str, Any, FactsPart]] = field(default_factory=list)
    flushed: int = 0
    on_tell: Callable[[FactsPart], None] = lambda _: None
    keyring: tuple[str, ...] = ("offer",)

    @property
    def discovery(self) -> Radio:
        return self

    def counterparts(self) -> list[Counterpart]:
        return self.heard

    def targets(self, address: Any, port: int, scope: int) -> list[Any]:
        return [(str(address), port, scope), "another outlet"] if self.has_way else []

    def tell_facts(self, secret: str, to: list[Any], part: FactsPart) -> None:
        self.told.append((secret, to, part))
        self.on_tell(part)

    def flush(self) -> None:
        self.flushed += 1


@dataclass
class Side:
    """An exchange, and what it sees of its run."""

    part: Part = Part.JOIN
    radio: Radio = field(default_factory=Radio)
    now: float = 100.0
    facts: RunFacts = field(default_factory=joiner)
    is_met: bool = False

    def __post_init__(self) -> None:
        radio: Any = self.radio
        self.exchange = FactsExchange(
            self.part, radio, lambda: self.now, lambda: self.facts, lambda: self.is_met
        )

    def asked_at(self, *moments: float) -> list[float]:
        """At which of these a question went out."""
        found = []
        for moment in moments:
            before, self.now = len(self.radio.told), moment
            self.exchange.step()
            if len(self.radio.told) > before:
                found.append(moment)
        return found

    def take(self, part: FactsPart, peer: Counterpart = PEER) -> None:
        self.exchange.take(FactsCame(peer.instance, peer.secret, part))

    def ask(self) -> FactsPart:
        """Wait until this side asks, and give its question."""
        self.exchange.step()
        self.now += FACTS_AFTER_S
        self.exchange.step()
        return self.radio.told[-1][2]

    def answered_with(self, facts: RunFacts | bytes) -> None:
        """The peer answers this side's latest question."""
        data = facts if isinstance(facts, bytes) else packed(facts, FACTS_COMPACT_BYTES)
        for part in FactsTalk().answer(self.radio.told[-1][2].question, data):
            self.take(part)


def told(side: Side) -> RunFacts:
    """The record that ``side`` has told last."""
    parts = [part for _, _, part in side.radio.told if part.answers != NO_TOKEN]
    return decode(b"".join(part.chunk for part in parts[-parts[-1].parts :]))


def test_whoever_seeks_asks_after_some_seconds_and_then_ever_less_often() -> None:
    side = Side()
    moments = [100.0 + step for step in range(60)]
    assert side.asked_at(*moments) == [105.0, 110.0, 120.0, 140.0]
    assert side.exchange.deadline() == 180.0
    assert side.radio.flushed == 4
    assert {(secret, *to) for secret, to, _ in side.radio.told} == {
        ("offer", ("192.168.77.20", 46820, 2)),
    }


@pytest.mark.parametrize("part", [Part.HOST, Part.LISTEN, Part.DISCOVER])
def test_whoever_waits_asks_nobody_by_itself(part: Part) -> None:
    side = Side(part)
    assert side.asked_at(100.0, 110.0, 200.0) == []
    assert side.exchange.deadline() is None


@pytest.mark.parametrize("part", [Part.JOIN, Part.SEND])
def test_nobody_is_asked_while_nothing_may_be_sent(part: Part) -> None:
    side = Side(part)
    assert side.asked_at(100.0, 106.0) == [106.0]
    side.radio.is_paused = True
    assert side.asked_at(200.0) == []
    assert side.exchange.deadline() is None


def test_nobody_is_asked_to_whom_nothing_leads() -> None:
    side = Side(radio=Radio(has_way=False))
    assert side.asked_at(100.0, 106.0) == []
    assert side.radio.flushed == 0


def test_nobody_is_asked_while_a_connection_stands() -> None:
    side = Side(is_met=True)
    assert side.asked_at(100.0, 106.0, 107.0) == []
    side.is_met = False
    assert side.asked_at(110.0, 111.0) == [111.0], "the pace stays"


def test_a_question_is_answered_and_asked_back_once() -> None:
    side = Side(Part.HOST, facts=host())
    side.take(FactsPart(TOKEN))
    first = side.radio.told[0][2]
    assert first.answers == TOKEN
    assert first.question not in (NO_TOKEN, TOKEN)
    assert told(side).role == host().role
    sent = len(side.radio.told)
    side.take(FactsPart(TOKEN))
    assert len(side.radio.told) == sent, "a recording is answered once"


def test_an_answer_that_asks_back_is_answered_without_another_question() -> None:
    side = Side()
    question = side.ask().question
    for part in FactsTalk().answer(question, packed(host(), FACTS_COMPACT_BYTES), TOKEN):
        side.take(part)
    answers = [part for _, _, part in side.radio.told if part.answers == TOKEN]
    assert answers
    assert all(part.question == NO_TOKEN for part in answers)


def test_what_was_told_is_what_is_judged() -> None:
    """Both records are of one moment, although this side has seen more by the time the answer is there."""
    side = Side(Part.HOST, facts=host(lasted_s=7))
    side.take(FactsPart(TOKEN))
    side.facts, side.now = host(lasted_s=8), side.now + FACTS_SAME_S
    asked_back = side.radio.told[0][2].question
    for part in FactsTalk().answer(asked_back, packed(joiner(), FACTS_COMPACT_BYTES)):
        side.take(part)
    assert side.exchange.latest is not None
    assert side.exchange.latest.mine.lasted_s == told(side).lasted_s == 7
    side.now += 0.01
    side.take(FactsPart(b"another!"))
    assert told(side).lasted_s == 8, "and not of that moment for ever"


def test_an_unknown_peer_another_secret_or_a_standing_connection_gets_and_gives_nothing() -> None:
    side = Side()
    question = side.ask()
    sent = len(side.radio.told)
    whole = FactsTalk().answer(question.question, packed(host(), FACTS_COMPACT_BYTES), TOKEN)
    for instance, secret in ((b"stranger", "offer"), (PEER.instance, "another")):
        for part in whole:
            side.exchange.take(FactsCame(instance, secret, part))
    side.is_met = True
    for part in whole:
        side.take(part)
    assert side.exchange.latest is None
    assert len(side.radio.told) == sent


def test_nobody_is_told_of_a_pair_that_is_not_there() -> None:
    side = Side()
    side.ask()
    side.answered_with(dropping_host(ending=Ending.PAIRED))
    assert side.exchange.latest is not None
    assert side.exchange.latest.theirs.ending is Ending.RUNNING
    side.ask()
    side.answered_with(dropping_host(ending=Ending.TIMEOUT))
    assert side.exchange.latest.theirs.ending is Ending.TIMEOUT


def test_facts_that_cannot_be_read_are_left(caplog: pytest.LogCaptureFixture) -> None:
    side = Side()
    side.ask()
    with caplog.at_level(logging.INFO, "localpair.agent"):
        side.answered_with(b"\xff\x00nonsense")
    assert side.exchange.latest is None
    assert "cannot be read" in caplog.text


def test_whoever_asks_without_end_is_not_answered_without_end() -> None:
    side = Side(Part.HOST, facts=host())
    for number in range(10 * FACTS_BEACONS):
        side.take(FactsPart(number.to_bytes(8, "big", signed=False) if number else TOKEN))
    assert 0 < len(side.radio.told) <= FACTS_BEACONS
    whole = {part.answers for _, _, part in side.radio.told}
    for question in whole:
        parts = [part for _, _, part in side.radio.told if part.answers == question]
        assert len(parts) == parts[0].parts, "all of an answer, or none"


def test_many_peers_are_remembered_up_to_a_bound() -> None:
    crowd = [
        Counterpart(number.to_bytes(8, "big"), "offer", ip_address("10.0.0.9"), 46820, 0, frozenset())
        for number in range(3 * PEERS)
    ]
    side = Side(radio=Radio(crowd))
    side.exchange.step()
    assert len(side.exchange._talkers) == PEERS


def test_the_end_of_a_run_waits_for_a_fresh_answer_and_asks_again_where_it_is_lost() -> None:
    """Of the run as it is then, although an older record is at hand."""
    side = Side()
    side.ask()
    side.answered_with(host(lasted_s=5))
    side.facts = joiner(lasted_s=19)
    questions: list[bytes] = []

    def answer(part: FactsPart) -> None:
        if part.answers == NO_TOKEN:
            questions.append(part.question)
            if len(questions) == 2:
                side.answered_with(host(lasted_s=20))

    side.radio.on_tell = answer
    asyncio.run(side.exchange.ask_now())
    assert len(questions) == 2
    assert side.exchange.latest is not None
    assert side.exchange.latest.theirs.lasted_s == 20
    assert side.exchange.latest.mine.lasted_s == 19


@pytest.mark.parametrize(("heard", "is_met"), [([], False), ([PEER], True)])
def test_the_end_of_a_run_waits_for_nobody_who_is_not_there(heard: list[Counterpart], is_met: bool) -> None:
    side = Side(radio=Radio(heard), is_met=is_met)

    async def ends_in() -> float:
        began = asyncio.get_running_loop().time()
        await side.exchange.ask_now()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(ends_in()) < FACTS_WAIT_S / 2
    assert side.exchange.latest is None


def test_the_end_of_a_run_waits_for_silence_only_so_long() -> None:
    side = Side()

    async def run() -> None:
        async with asyncio.timeout(5.0):
            await side.exchange.ask_now()

    asyncio.run(run())
    assert side.exchange.latest is None
    assert len(side.radio.told) > 1
