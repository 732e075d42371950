"""What packets of strangers can make this side keep, do and send."""

from __future__ import annotations

import asyncio
import random
import time
from ipaddress import ip_address
from typing import Any

import pytest

from attack_sides import (
    SECRET,
    THEIR_SECRET,
    beacon,
    feed,
    peers,
)
from localpair.candidate import Candidate, Evidence
from localpair.events import Event
from localpair.keys import (
    Purpose,
    Role,
    SharedSecret,
)
from localpair.limits import CANDIDATES, PEERS
from localpair.protocol.checklist import Checklist
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import BeaconKind, Part, Seen

pytestmark = pytest.mark.isolated


def test_strangers_with_ever_new_addresses_instances_and_lies_fill_no_memory_and_no_screen() -> None:
    dice = random.Random(3)
    stranger = SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER)
    events: list[Event] = []
    began = time.monotonic()

    async def run() -> None:
        async with peers(Keyring(), Role.ISSUER, Part.HOST, events) as agent:
            for number in range(20_000):
                source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255 or 1}"
                seen = Seen(ip_address(dice.randrange(0x0B000000, 0x7E000000)), 1)
                hint = beacon(dice.randbytes(16), seen=seen)
                feed(agent, Keyring().seal(None, hint, dice.randbytes(12)), source)
                sealed = Keyring([(OFFER, stranger)]).seal(OFFER, hint, dice.randbytes(12))
                feed(agent, sealed, source)
                if number % 64 == 0:
                    agent._changed.set()
                    await asyncio.sleep(0)
            agent._changed.set()
            await asyncio.sleep(0.05)
            heard = agent.peers
            assert 0 < len(heard.foreign) <= PEERS
            assert 0 < len(heard.nearby) <= PEERS
            assert 0 < len(heard.seen_at) <= PEERS

    asyncio.run(run())
    most = 64 + 20 * (time.monotonic() - began)
    assert len(events) < 6 * most, "64 at once and 20 each second, a few events each"


def test_whoever_says_goodbye_or_has_a_session_is_dialled_no_more() -> None:
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    instance, other = bytes([1] * 16), bytes([2] * 16)

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.LISTEN, []) as agent:

            def hear(who: bytes, sequence: int, source: str, **more: Any) -> set[str]:
                said = beacon(who, sequence, **{"part": Part.SEND, "dial_port": 46830} | more)
                feed(agent, theirs.seal(OFFER, said, bytes([*who[:1], sequence] * 6)), source)
                agent.peers.step(None)  # type: ignore[arg-type]
                return {str(one.address) for one in agent.checklists.candidates()}

            assert hear(instance, 1, "10.0.0.7", addresses=(ip_address("10.0.0.8"),)) == {
                "10.0.0.7",
                "10.0.0.8",
            }
            assert "10.0.0.9" in hear(other, 1, "10.0.0.9")
            agent.pause_dialing(instance)
            assert hear(other, 2, "10.0.0.9") == {"10.0.0.9"}, "it has a session"
            assert hear(instance, 2, "10.0.0.17") == {"10.0.0.9", "10.0.0.17"}, "it has moved, perhaps"
            agent.resume_dialing(instance)
            everywhere = {"10.0.0.7", "10.0.0.8", "10.0.0.17"}
            assert hear(other, 3, "10.0.0.9") == {"10.0.0.9"} | everywhere, "its connection is lost"
            assert hear(instance, 3, "10.0.0.7", kind=BeaconKind.GOODBYE) == {"10.0.0.9"}
            assert hear(other, 4, "10.0.0.9", kind=BeaconKind.GOODBYE) == set()

    asyncio.run(run())


def test_a_holder_of_the_secret_aims_no_datagram_at_groups_services_or_the_loopback() -> None:
    claims = tuple(map(ip_address, ("224.0.0.251", "255.255.255.255", "127.0.0.1", "0.0.0.0", "ff02::1")))
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.HOST, []) as agent:
            feed(agent, theirs.seal(OFFER, beacon(bytes(16), addresses=claims), bytes(12)), "10.0.0.7")
            low = beacon(bytes([1] * 16), udp_port=53, addresses=(ip_address("10.0.0.53"),))
            feed(agent, theirs.seal(OFFER, low, bytes([1] * 12)), "10.0.0.8")
            agent.peers.step(None)  # type: ignore[arg-type]
            targets = set(agent.announcer.discovery._targets)
            assert {target.address for target in targets} == {ip_address("10.0.0.7")}

    asyncio.run(run())


def test_no_answer_goes_to_a_forged_source_that_is_a_service() -> None:
    async def run() -> None:
        async with peers(Keyring(), Role.ISSUER, Part.HOST, []) as agent:
            discovery = agent.announcer.discovery
            discovery.resume_announcing(agent.clock())
            discovery.take_transmits()
            for number, port in enumerate((53, 7, 5000)):
                hint = Keyring().seal(None, beacon(bytes([number] * 16)), bytes([number] * 12))
                feed(agent, hint, "10.0.0.9", port)
            answered = [one.port for one in discovery.take_transmits() if str(one.address) == "10.0.0.9"]
            assert answered == [5000]

    asyncio.run(run())


def test_a_holder_of_the_secret_cannot_make_the_checklist_grow_for_ever() -> None:
    checklist = Checklist(lambda candidates: candidates)
    good = Candidate(ip_address("10.9.9.9"), 5000, evidence=Evidence.SEEN_OVER_UDP)
    checklist.add(good, 0.0)
    for number in range(10_000):
        checklist.add(Candidate(ip_address(0x0A000000 + number), 5000), 0.0)
    assert len(checklist.candidates()) <= CANDIDATES
    assert good in checklist.candidates(), "what was seen is not pushed out by what was only claimed"
