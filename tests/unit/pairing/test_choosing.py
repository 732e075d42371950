"""Flow post, on the host: when the person is asked which device is meant, and which one is taken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from localpair.candidate import Candidate
from localpair.choices.settings import Settings, nobody
from localpair.events import NearbyPeer
from localpair.pairing.host import Hosting
from localpair.trust.store import TrustStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from localpair.net.agent.agent import Agent

ONE = NearbyPeer("a1", "amber falcon", "join", 46821, (Candidate(ip_address("192.168.1.7"), 46821),))
MOVED = replace(ONE, addresses=(*ONE.addresses, Candidate(ip_address("fe80::7"), 46821)))
OTHER = replace(ONE, instance="b2", alias="grey owl")
HOST = replace(ONE, instance="c3", role="host")


class FakeAgent:
    """Hears what it is told to."""

    def __init__(self) -> None:
        self.heard: list[NearbyPeer] = []
        self._changed = asyncio.Event()

    def nearby(self) -> list[NearbyPeer]:
        return self.heard

    def hear(self, *peers: NearbyPeer) -> None:
        self.heard = list(peers)
        self._changed.set()
        self._changed = asyncio.Event()

    def wait_for_peers(self) -> Coroutine[object, object, object]:
        return self._changed.wait()


def test_a_person_is_asked_again_only_where_other_devices_are_near(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    async def run() -> NearbyPeer:
        question = asyncio.Event()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def choose(peers: Sequence[NearbyPeer]) -> NearbyPeer | None:
            asked.append([peer.instance for peer in peers])
            question.set()
            return peers[await asyncio.shield(answer)]

        agent = FakeAgent()
        hosting = Hosting(Settings(flow="post"), TrustStore(tmp_path), nobody, choose)
        choosing = asyncio.create_task(hosting._chosen_peer(cast("Agent", agent)))
        for heard, is_asked in (
            ([ONE], True),
            ([MOVED], False),
            ([MOVED, HOST], False),
            ([MOVED, OTHER], True),
        ):
            question.clear()
            agent.hear(*heard)
            if is_asked:
                await question.wait()
            else:
                for _ in range(10):  # every task that would ask has its turn
                    await asyncio.sleep(0)
                assert not question.is_set()
        answer.set_result(0)
        return await choosing

    async def bounded() -> NearbyPeer:
        async with asyncio.timeout(20):
            return await run()

    assert asyncio.run(bounded()) == MOVED
    assert asked == [["a1"], ["a1", "b2"]]


def test_what_was_learnt_about_a_device_since_the_question_counts(tmp_path: Path) -> None:
    async def run() -> NearbyPeer:
        agent = FakeAgent()
        agent.hear(ONE)

        async def choose(peers: Sequence[NearbyPeer]) -> NearbyPeer | None:
            agent.hear(MOVED)
            return peers[0]

        hosting = Hosting(Settings(flow="post"), TrustStore(tmp_path), nobody, choose)
        async with asyncio.timeout(20):
            return await hosting._chosen_peer(cast("Agent", agent))

    assert asyncio.run(run()) == MOVED
