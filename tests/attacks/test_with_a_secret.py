"""Attacks by whoever holds a secret or claims to, on what stands already: a claim, a session, a pursuit, a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import localpair
from attack_sides import (
    SECRET,
    THEIR_SECRET,
    Claimant,
    beacon,
    call,
    claim,
    ended,
    feed,
    hearing,
    meeting,
    paired_stores,
    running,
)
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.errors import Refusal
from localpair.events import Event
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, device_id, random_bytes
from localpair.limits import RACE_S
from localpair.net.host.interfaces import Interfaces
from localpair.protocol.discovery_events import Transmit
from localpair.protocol.handshake import (
    Complete,
    Nominated,
    RecordPaired,
    RecordUnconfirmed,
    Refused,
)
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import BeaconKind, Envelope, Part, Rendezvous, Step
from localpair.wire.messages import REASONS, CallKind, Preamble, Refuse

pytestmark = pytest.mark.isolated


# -- a claim that stands ----------------------------------------------------------------------------------------


class Person:
    """Is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.requests: list[localpair.ApprovalRequest] = []
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def approve(self, request: localpair.ApprovalRequest) -> bool:
        self.requests.append(request)
        self.asked.put_nowait(request.peer.device_id)
        return await self.answer


async def until(claimant: Claimant, *wanted: type) -> Any:
    """The first event of one of these kinds."""
    while True:
        for event in claimant.handshake.take_events():
            if isinstance(event, wanted):
                return event
        await claimant.step()


async def record(claimant: Claimant) -> None:
    """The joiner's side, from the nomination to the pair. It gives nothing, and so asks nobody."""
    for kind in (RecordUnconfirmed, RecordPaired):
        await until(claimant, kind)
        claimant.handshake.recorded()
    claimant.send()
    assert any(isinstance(event, Complete) for event in claimant.handshake.take_events())


Scene = Callable[[localpair.Hosting, int, SharedSecret, Person], Awaitable[None]]


def on_stage(folder: Path, scene: Scene, **settings: Any) -> None:
    """``scene`` with a host, the port and the secret of its offer, and the person who is asked."""

    async def run() -> None:
        person, store = Person(), localpair.TrustStore(folder)
        chosen = localpair.Settings(timeout=30, **settings)
        async with localpair.host(chosen, store=store, approve=person.approve) as hosting:
            async for event in hosting.events():
                if isinstance(event, localpair.OfferIssued):
                    offer = localpair.Offer.parse(event.text)
                    break
            await scene(
                hosting, offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.ISSUER), person
            )

    asyncio.run(run())


async def comes_again(
    port: int, secret: SharedSecret, person: Person
) -> tuple[Claimant, Claimant, DeviceIdentity]:
    """A device whose person is being asked, and its second connection in place of the first."""
    identity, instance = DeviceIdentity.generate(), random_bytes(16)
    again = {"identity": identity, "instance": instance, "code_nonce": random_bytes(32)}
    first = await claim(port, secret, **again)
    await first.until_verified()
    assert await asyncio.wait_for(person.asked.get(), 5) == device_id(identity.public)
    await asyncio.sleep(RACE_S + 0.1)  # connections of one race replace nothing
    second = await claim(port, secret, **again, resumes=True)
    await second.until_verified()
    await ended(first.stream)
    return first, second, identity


def test_nobody_gets_in_between_while_a_device_comes_again(tmp_path: Path) -> None:
    """Eve has photographed the offer. While the person thinks she hears no, and the first device keeps its place."""

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        _, second, identity = await comes_again(port, secret, person)
        for _ in range(3):
            eve = await claim(port, secret)
            assert await until(eve, Refused, Nominated) == Refused(Refusal.ALREADY_CLAIMED, proven=True)
        person.answer.set_result(True)
        await record(second)
        session = await asyncio.wait_for(hosting.session(), 10)
        assert session.peer.device_id == device_id(identity.public)
        assert person.asked.empty(), "a device that was approved is not asked about again"

    on_stage(tmp_path, scene)


def test_a_device_that_came_again_hears_that_the_person_said_no(tmp_path: Path) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        _, second, _ = await comes_again(port, secret, person)
        person.answer.set_result(False)
        assert await until(second, Refused, Nominated) == Refused(Refusal.NOT_APPROVED, proven=True)
        with pytest.raises(localpair.RefusedError):
            await hosting.session()

    on_stage(tmp_path, scene)


async def event_of(hosting: localpair.Hosting, kind: type[Event]) -> Any:
    """The next event of this kind."""
    async with asyncio.timeout(10):
        async for event in hosting.events():
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} came")


async def goes_while_asked(
    hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person
) -> tuple[dict[str, Any], str]:
    """A device that was asked about, went, and was approved then: what it comes again with, and its code."""
    device = {"identity": DeviceIdentity.generate(), "code_nonce": random_bytes(32)}
    first = await claim(port, secret, **device)
    code = (await until(first, Nominated)).code
    await asyncio.wait_for(person.asked.get(), 5)
    assert [request.code for request in person.requests] == [code]
    first.stream.abort()
    gone = await event_of(hosting, localpair.PeerGone)
    assert gone.peer == person.requests[0].peer
    person.answer.set_result(True)
    return device, code


def test_a_yes_holds_for_a_device_that_comes_again_and_both_screens_show_the_same_code(
    tmp_path: Path,
) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        device, code = await goes_while_asked(hosting, port, secret, person)
        second = await claim(port, secret, **device)
        assert (await until(second, Nominated)).code == code
        await record(second)
        shown = await event_of(hosting, localpair.CodeShown)
        assert (shown.code, shown.again, shown.peer) == (code, True, person.requests[0].peer)
        await asyncio.wait_for(hosting.session(), 10)
        assert len(person.requests) == 1

    on_stage(tmp_path, scene)


def test_a_yes_to_one_name_is_none_to_another(tmp_path: Path) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        device, code = await goes_while_asked(hosting, port, secret, person)
        person.answer = asyncio.get_running_loop().create_future()
        second = await claim(port, secret, **device, label="Bob's phone")
        assert (await until(second, Nominated)).code == code
        await asyncio.wait_for(person.asked.get(), 5)
        assert [request.peer.label for request in person.requests] == ["Eve", "Bob's phone"]
        assert person.requests[-1].code == code
        person.answer.set_result(False)
        assert await until(second, Refused) == Refused(Refusal.NOT_APPROVED, proven=True)

    on_stage(tmp_path, scene)


@pytest.mark.parametrize("change", [{"code_nonce": bytes(32)}, {"identity": DeviceIdentity.generate()}])
def test_whoever_was_shown_the_code_gets_no_second_guess_and_the_offer_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """Eve sits in between. The codes differ, so she breaks the connection and comes again with another share or key."""
    monkeypatch.setattr("localpair.pairing.host.RESUME_S", 0.2)
    monkeypatch.setattr("localpair.pairing.host.OFFER_RENEWAL_S", 0.0)

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        device, _ = await goes_while_asked(hosting, port, secret, person)
        second = await claim(port, secret, **{**device, **change})
        assert await until(second, Refused, Nominated) == Refused(Refusal.ALREADY_CLAIMED, proven=True)
        issued = await event_of(hosting, localpair.OfferIssued)
        assert localpair.Offer.parse(issued.text).secret
        third = await claim(port, secret, **device)
        assert await until(third, Refused, Nominated) == Refused(Refusal.EXPIRED, proven=True)

    on_stage(tmp_path, scene)


def test_a_question_ends_where_the_other_device_says_no(tmp_path: Path) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        joining = await claim(port, secret)
        await joining.until_verified()
        await asyncio.wait_for(person.asked.get(), 5)
        await until(joining, Nominated)
        joining.handshake.refuse(Refusal.NOT_APPROVED)
        joining.send()
        with pytest.raises(localpair.RefusedError) as refused:
            await asyncio.wait_for(hosting.session(), 10)
        assert refused.value.reason is Refusal.NOT_APPROVED
        assert person.answer.cancelled()

    on_stage(tmp_path, scene)


def test_a_device_that_came_again_with_the_pair_s_key_was_not_waited_for_since_the_start_of_the_machine(
    tmp_path: Path,
) -> None:
    """Persons' time is not counted; where nobody is asked a second time, that was once the whole uptime, negative."""

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        person.answer.set_result(True)
        identity = DeviceIdentity.generate()
        first = await claim(port, secret, identity=identity)
        pair_key = (await until(first, RecordUnconfirmed)).pair_key
        first.handshake.recorded()
        await until(first, RecordPaired)  # its last word is lost
        first.stream.abort()
        name = device_id(identity.public)
        second = await claim(
            port, SharedSecret(pair_key, Purpose.PAIR, Role.ISSUER), name, identity=identity, resumes=True
        )
        await until(second, Complete)
        second.send()
        await asyncio.wait_for(hosting.session(), 10)
        async for event in hosting.events():
            if isinstance(event, localpair.Paired):
                assert 0 <= event.elapsed_ms < 60_000
                break

    on_stage(tmp_path, scene)


def test_claimants_that_do_not_listen_hold_up_nobody(tmp_path: Path) -> None:
    """Each refusal waits for the other side to close. Eve, who has read the offer, does not."""

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        first = await claim(port, secret)
        await first.until_verified()
        await asyncio.wait_for(person.asked.get(), 5)
        deaf = []
        for _ in range(12):
            eve = await claim(port, secret)
            await eve.until_verified()
            eve.stream._wire.transport.pause_reading()
            deaf.append(eve)
        person.answer.set_result(True)
        await asyncio.wait_for(record(first), 5)
        await asyncio.wait_for(hosting.session(), 5)
        for eve in deaf:
            eve.stream.abort()

    on_stage(tmp_path, scene)


# -- a paired device --------------------------------------------------------------------------------------------


def test_a_paired_device_that_loses_its_first_connection_is_met_on_the_next_one(tmp_path: Path) -> None:
    """Else that one would wait for ever, and each one kept costs a descriptor."""
    stores = paired_stores(tmp_path, "a", "b")
    (known,) = stores[2].devices()
    identity, instance = DeviceIdentity.from_private_bytes(stores[2].identity()), random_bytes(16)
    secret = SharedSecret(known.pair_key, Purpose.PAIR, Role.ISSUER)

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
        async with hearing(ring, Role.ISSUER, Part.LISTEN, []) as engine:

            def hear(name: str, sequence: int, source: str, **more: Any) -> set[str]:
                said = beacon(alice, sequence, **{"part": Part.SEND} | more)
                feed(engine, theirs.seal(name, said, random_bytes(12)), source)
                engine.hearing.step(None)  # type: ignore[arg-type]
                return {str(one.address) for one in engine.checklists.candidates()}

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
        async with hearing(ring, Role.ISSUER, Part.LISTEN, []) as engine:
            changed = asyncio.create_task(engine.hearing.wait_for_change())
            said = beacon(bytes([1] * 16), part=Part.SEND)
            feed(engine, theirs.seal("alice", said, random_bytes(12)), "10.0.0.7")
            engine.hearing.step(None)  # type: ignore[arg-type]
            await asyncio.wait_for(changed, 10)
            assert engine.hearing.nearby, "it was noticed when it came, and not when it went"

    asyncio.run(run())


def test_a_recording_points_a_listener_nowhere_for_good() -> None:
    """Whoever recorded a beacon sends it once more, from an address that was never the sender's, and falls silent."""
    ring, theirs = Keyring([("alice", SECRET)]), Keyring([("alice", THEIR_SECRET)])

    async def run() -> None:
        async with hearing(ring, Role.ISSUER, Part.LISTEN, []) as engine:
            recorded = theirs.seal(
                "alice", beacon(bytes([1] * 16), part=Part.SEND, beat_ms=50), random_bytes(12)
            )
            feed(engine, recorded, "10.0.0.66")
            engine._changed.set()
            async with asyncio.timeout(10):
                while not engine.hearing.nearby:
                    await engine.hearing.wait_for_change()
                assert engine.checklists.candidates()
                while engine.hearing.nearby:
                    await engine.hearing.wait_for_change()
            assert not engine.checklists.candidates()

    asyncio.run(run())


@pytest.mark.parametrize("asks", [True, False])
def test_a_neighbour_that_repeats_what_it_heard_does_not_get_the_rendezvous(asks: bool) -> None:
    """It holds no secret: it has sent the joiner's own beacon once more, from its own address."""
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    called: list[str] = []

    async def run() -> None:
        async with hearing(ring, Role.ISSUER, Part.HOST, []) as engine:

            def send(transmit: Transmit) -> bool:
                _, said = theirs.open(Envelope.decode(transmit.datagram))
                if said.rendezvous is not None and said.rendezvous.step is Step.CALL:
                    called.append(str(transmit.address))
                return True

            engine.finder._datagrams.send = send  # type: ignore[method-assign]
            hello = theirs.seal(OFFER, beacon(bytes([1] * 16), dial_port=46_831), random_bytes(12))
            feed(engine, hello, "10.0.0.7")
            feed(engine, hello, "10.0.0.66")
            engine.hearing.step(None)  # type: ignore[arg-type]
            if asks:  # its own dial was refused
                word = Rendezvous(Step.ASK)
                ask = beacon(bytes([1] * 16), 2, kind=BeaconKind.RENDEZVOUS, rendezvous=word)
                for source in ("10.0.0.7", "10.0.0.66"):
                    feed(engine, theirs.seal(OFFER, ask, random_bytes(12)), source)
            else:
                engine.hearing._opener.refused(OFFER, ip_address("10.0.0.7"))
            async with asyncio.timeout(5):
                while "10.0.0.7" not in called:
                    engine._changed.set()
                    await asyncio.sleep(0.01)

    asyncio.run(run())
    assert called == (["10.0.0.7"] if asks else ["10.0.0.66", "10.0.0.7"])


# -- what is sent where -----------------------------------------------------------------------------------------


def test_no_claim_and_no_code_chooses_a_port_for_broadcasts() -> None:
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    net = InterfaceAddress(ip_address("10.0.0.5"), 24)
    lan = Interface(2, "eth0", InterfaceKind.ETHERNET, carrier=True, addresses=(net,))

    async def run() -> None:
        async with hearing(ring, Role.ISSUER, Part.HOST, []) as engine:
            engine.finder.set_interfaces(Interfaces((lan,)))
            claims = (ip_address("10.0.0.255"), ip_address("10.0.0.9"))
            feed(engine, theirs.seal(OFFER, beacon(bytes([1] * 16), addresses=claims), bytes(12)), "10.0.0.7")
            engine.hearing.step(None)  # type: ignore[arg-type]
            engine.aim([ip_address("10.0.0.255")], 5000)
            aimed = {str(target.address) for target in engine.finder.discovery._targets}
            assert aimed == {"10.0.0.7", "10.0.0.9", "127.0.0.1"}

    asyncio.run(run())


# -- reasons ----------------------------------------------------------------------------------------------------


def test_strangers_that_refuse_fill_no_memory_and_are_believed_nothing() -> None:
    """A device that looks for a paired one pins no key: whoever answers first can say that the pair was revoked."""
    events: list[Event] = []

    async def run() -> None:
        async with running(Role.JOINER, Part.SEND) as engine:
            for reason in (Refusal.UNKNOWN_DEVICE, *[Refusal.REVOKED] * 5, None):
                own = Preamble(CallKind.PAIR, Role.ISSUER, True)
                stream = await call(engine.sockets.tcp_port, own, server_side=True)
                await asyncio.wait_for(stream.read(), 5)  # its hello
                refusal = Refuse(REASONS.index(reason), random_bytes(16))
                stream.write(refusal.TYPE, refusal.encode())
                await ended(stream)
            assert engine.tally.strangers == 7
            assert not engine.tally.refusals
            assert not engine.tally.final.is_set()

    asyncio.run(run())
    assert not events


def test_the_issuer_s_own_reason_outlives_what_others_say_later() -> None:
    async def run() -> None:
        async with running(Role.JOINER, Part.SEND) as engine:
            engine.tally.final.set()  # the issuer has refused, and the person will be told so in a moment
            own = Preamble(CallKind.PAIR, Role.ISSUER, True)
            stream = await call(engine.sockets.tcp_port, own, server_side=True)
            await asyncio.wait_for(stream.read(), 5)
            refusal = Refuse(REASONS.index(Refusal.EXPIRED), random_bytes(16))
            stream.write(refusal.TYPE, refusal.encode())
            await ended(stream)
            assert not engine.tally.refusals

    asyncio.run(run())
