"""What a device can do to the questions that a person is asked about others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from file_trees import TREE, harvest, pair, plant
from localpair.choices.terms import USUAL
from localpair.cli.receiving import Inbound
from localpair.cli.terminal.prompts import Prompts
from localpair.errors import RefusedError
from localpair.trust.store import TrustStore
from streams import run

MINUTE_S = 2.0  # in the tests


class Person:
    """A person at the keyboard, who never answers the first question and thinks half a minute about the next."""

    interactive = True

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.count = 0

    async def ask(self, question: str) -> str:
        self.count += 1
        self.asked.put_nowait(question)
        await asyncio.sleep(MINUTE_S / 2 if self.count > 1 else 10 * MINUTE_S)
        return "y"


class Screen:
    """An output that nobody looks at."""

    def __init__(self) -> None:
        self.talk = self

    def note(self, _: str) -> None:
        """One line of talk."""

    def show(self, _: Any) -> None:
        """One result."""


def test_a_question_that_nobody_answers_takes_no_time_from_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One device's question is left alone; what another device sends meanwhile gets a minute of its own."""
    monkeypatch.setattr("localpair.transfer.incoming.APPROVAL_S", MINUTE_S)
    target, source = tmp_path / "target", tmp_path / "source"
    target.mkdir()
    person, screen = Person(), Screen()
    prompts = Prompts(person, screen, assume_yes=False)  # type: ignore[arg-type]

    async def main() -> None:
        receive = Inbound(target, USUAL, prompts, TrustStore(tmp_path / "state"), screen)  # type: ignore[arg-type]
        path = plant(source)
        async with pair() as (eve, from_eve), pair() as (bob, from_bob):
            sides = [
                asyncio.create_task(eve.send_files([path])),
                asyncio.create_task(receive.receive(from_eve)),
            ]
            await person.asked.get()
            sides += [
                asyncio.create_task(bob.send_files([path])),
                asyncio.create_task(receive.receive(from_bob)),
            ]
            found = await asyncio.gather(*sides, return_exceptions=True)
        assert isinstance(found[1], RefusedError)
        assert found[3] is None
        assert harvest(target).keys() == TREE.keys()

    run(main())
