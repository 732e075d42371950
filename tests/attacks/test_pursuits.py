"""Attacks by whoever holds a secret or claims to, on sessions, pursuits, recordings and reasons."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from attack_scenes import until
from attack_sides import (
    SECRET,
    THEIR_SECRET,
    beacon,
    call,
    claim,
    ended,
    feed,
    meeting,
    paired_stores,
    peers,
    running,
)
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.errors import Refusal
from localpair.events import Event
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, random_bytes
from localpair.net.host.interfaces import Interfaces
from localpair.protocol.discovery_events import Transmit
from localpair.protocol.handshake import (
    Nominated,
)
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import BeaconKind, Envelope, Part, Rendezvous, RendezvousStep
from localpair.wire.messages import REASONS, CallKind, Preamble, Refuse

pytestmark = pytest.mark.isolated


# -- a paired device -----------------------------------------------------------------------------------------


def test_a_paired_device_that_loses_its_first_connection_is_met_on_the_next_one(tmp_path: Path) -> None:
    """Else that one would wait for ever, and each one kept costs a descriptor."""
    stores = paired_stores(tmp_path, "a", "b")
    (known,) = stores[2].devices()
    identity, instance = DeviceIdentity.from_private_bytes(stores[2].identity()), random_bytes(16)
    secret = SharedSecret(known.pair_key, Purpose.PAIR, Role.JOINER)

    async def tell(_listening: Any, here: list[Any], _there: list[Any]) -> None:
        port = int(here[0].path.local.rpartition(":")[2])
        more: dict[str, Any] = {"identity": identity, "instance": instance}
        first = await claim(port, secret, known.device_id, **more)
        await first.until_verified()
        await first.step()  # it is nominated, and answers nothing
        second = await claim(port, secret, known.device_id, resumes=True, **more)
        await ended(first.stream)
        third = await claim(port, secret, known.device_id, resumes=True, **more)
        await until(third, Nominated)
        third.send()
        await ended(second.stream)
        assert not third.stream.is_closing()

    asyncio.run(meeting(stores, tell))


def test_the_secret_of_one_pair_does_not_speak_for_the_instance_of_another() -> None:
    """Whoever answered one of its dials has read its instance. The sequence would be as high as can be."""
    ring, theirs = (
        Keyring([("alice", secret), ("mallory", SharedSecret(bytes(16), Purpose.OFFER, secret.side))])
        for secret in (SECRET, THEIR_SECRET)
    )
    alice = bytes([1] * 16)

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.LISTEN, []) as agent:

            def hear(name: str, sequence: int, source: str, **more: Any) -> set[str]:
                said = beacon(alice, sequence, **{"part": Part.SEND} | more)
                feed(agent, theirs.seal(name, said, random_bytes(12)), source)
                agent.peers.step(None)  # type: ignore[arg-type]
                return {str(one.address) for one in agent.checklists.candidates()}

            hear("alice", 1, "10.0.0.7")
            hear("mallory", 2**32 - 2, "10.0.0.66")
            assert hear("alice", 2, "10.0.0.8") == {"10.0.0.7", "10.0.0.8"}
            hear("mallory", 2**32 - 1, "10.0.0.7", kind=BeaconKind.GOODBYE)
            assert hear("alice", 3, "10.0.0.9") == {"10.0.0.7", "10.0.0.8", "10.0.0.9"}

    asyncio.run(run())


def test_whoever_comes_before_a_task_begins_to_wait_is_noticed() -> None:
    """Found by a host of flow post, who looked on for ever: its peer came between its look and its wait."""
    ring, theirs = Keyring([("alice", SECRET)]), Keyring([("alice", THEIR_SECRET)])

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.LISTEN, []) as agent:
            changed = asyncio.create_task(agent.peers.wait_for_change())
            said = beacon(bytes([1] * 16), part=Part.SEND)
            feed(agent, theirs.seal("alice", said, random_bytes(12)), "10.0.0.7")
            agent.peers.step(None)  # type: ignore[arg-type]
            await asyncio.wait_for(changed, 10)
            assert agent.peers.nearby, "it was noticed when it came, and not when it went"

    asyncio.run(run())


def test_a_recording_points_a_listener_nowhere_for_good() -> None:
    """Whoever recorded a beacon sends it once more, from an address that was never the sender's, and falls silent."""
    ring, theirs = Keyring([("alice", SECRET)]), Keyring([("alice", THEIR_SECRET)])

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.LISTEN, []) as agent:
            recorded = theirs.seal(
                "alice", beacon(bytes([1] * 16), part=Part.SEND, beat_ms=50), random_bytes(12)
            )
            feed(agent, recorded, "10.0.0.66")
            agent._changed.set()
            async with asyncio.timeout(10):
                while not agent.peers.nearby:
                    await agent.peers.wait_for_change()
                assert agent.checklists.candidates()
                while agent.peers.nearby:
                    await agent.peers.wait_for_change()
            assert not agent.checklists.candidates()

    asyncio.run(run())


@pytest.mark.parametrize("asks", [True, False])
def test_a_neighbour_that_repeats_what_it_heard_does_not_get_the_rendezvous(asks: bool) -> None:
    """It holds no secret: it has sent the joiner's own beacon once more, from its own address."""
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    called: list[str] = []

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.HOST, []) as agent:

            def send(transmit: Transmit) -> bool:
                _, said = theirs.open(Envelope.decode(transmit.datagram))
                if said.rendezvous is not None and said.rendezvous.step is RendezvousStep.CALL:
                    called.append(str(transmit.address))
                return True

            agent.announcer._datagrams.send = send  # type: ignore[method-assign]
            hello = theirs.seal(OFFER, beacon(bytes([1] * 16), dial_port=46_831), random_bytes(12))
            feed(agent, hello, "10.0.0.7")
            feed(agent, hello, "10.0.0.66")
            agent.peers.step(None)  # type: ignore[arg-type]
            if asks:  # its own dial was refused
                word = Rendezvous(RendezvousStep.ASK)
                ask = beacon(bytes([1] * 16), 2, kind=BeaconKind.RENDEZVOUS, rendezvous=word)
                for source in ("10.0.0.7", "10.0.0.66"):
                    feed(agent, theirs.seal(OFFER, ask, random_bytes(12)), source)
            else:
                agent._hole_puncher.refused(OFFER, ip_address("10.0.0.7"))
            async with asyncio.timeout(5):
                while "10.0.0.7" not in called:
                    agent._changed.set()
                    await asyncio.sleep(0.01)

    asyncio.run(run())
    assert called == (["10.0.0.7"] if asks else ["10.0.0.66", "10.0.0.7"])


# -- what is sent where --------------------------------------------------------------------------------------


def test_no_claim_and_no_code_chooses_a_port_for_broadcasts() -> None:
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    net = InterfaceAddress(ip_address("10.0.0.5"), 24)
    lan = Interface(2, "eth0", InterfaceKind.ETHERNET, carrier=True, addresses=(net,))

    async def run() -> None:
        async with peers(ring, Role.ISSUER, Part.HOST, []) as agent:
            agent.announcer.set_interfaces(Interfaces((lan,)))
            claims = (ip_address("10.0.0.255"), ip_address("10.0.0.9"))
            feed(agent, theirs.seal(OFFER, beacon(bytes([1] * 16), addresses=claims), bytes(12)), "10.0.0.7")
            agent.peers.step(None)  # type: ignore[arg-type]
            agent.add_target([ip_address("10.0.0.255")], 5000)
            aimed = {str(target.address) for target in agent.announcer.discovery._targets}
            assert aimed == {"10.0.0.7", "10.0.0.9", "127.0.0.1"}

    asyncio.run(run())


# -- reasons -------------------------------------------------------------------------------------------------


def test_strangers_that_refuse_fill_no_memory_and_are_believed_nothing() -> None:
    """A device that looks for a paired one pins no key: whoever answers first can say that the pair was revoked."""
    events: list[Event] = []

    async def run() -> None:
        async with running(Role.JOINER, Part.SEND) as agent:
            for reason in (Refusal.UNKNOWN_DEVICE, *[Refusal.REVOKED] * 5, None):
                own = Preamble(CallKind.PAIR, Role.ISSUER, True)
                stream = await call(agent.tcp_port, own, server_side=True)
                await asyncio.wait_for(stream.read(), 5)  # its hello
                refusal = Refuse(REASONS.index(reason), random_bytes(16))
                stream.write(refusal.TYPE, refusal.encode())
                await ended(stream)
            assert agent.counts.strangers == 7
            assert not agent.counts.refusals
            assert not agent.counts.final.is_set()

    asyncio.run(run())
    assert not events


def test_the_issuer_s_own_reason_outlives_what_others_say_later() -> None:
    async def run() -> None:
        async with running(Role.JOINER, Part.SEND) as agent:
            agent.counts.final.set()  # the issuer has refused, and the person will be told so in a moment
            own = Preamble(CallKind.PAIR, Role.ISSUER, True)
            stream = await call(agent.tcp_port, own, server_side=True)
            await asyncio.wait_for(stream.read(), 5)
            refusal = Refuse(REASONS.index(Refusal.EXPIRED), random_bytes(16))
            stream.write(refusal.TYPE, refusal.encode())
            await ended(stream)
            assert not agent.counts.refusals

    asyncio.run(run())
