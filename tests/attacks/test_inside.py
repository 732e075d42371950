"""Attacks on a running engine, listener and discovery, from the inside of one network namespace: each was a hole."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import localpair
from attack_sides import (
    SECRET,
    THEIR_SECRET,
    beacon,
    call,
    claim,
    ended,
    feed,
    hearing,
    meeting,
    paired_stores,
    reach,
    running,
)
from localpair.address import LOOPBACK
from localpair.candidate import Candidate, Evidence
from localpair.errors import LocalpairError, Refusal
from localpair.events import Event
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SessionCertificate,
    SharedSecret,
    random_bytes,
)
from localpair.limits import CANDIDATES, PEERS
from localpair.net.transport.tcp import connect, exchange_preambles
from localpair.protocol.checklist import Checklist
from localpair.protocol.handshake import RecordUnconfirmed, Refused
from localpair.protocol.keyring import OFFER, Keyring
from localpair.protocol.rate_limits import source_key
from localpair.wire.beacon import BeaconKind, Part, Seen
from localpair.wire.messages import CallKind, Hello, Identity, Preamble, SelfCall

pytestmark = pytest.mark.isolated


def odd_certificate(version: int) -> SessionCertificate:
    """A certificate of an X.509 version that does not exist; OpenSSL does not mind."""
    good = SessionCertificate.generate()
    der = good.der.replace(bytes.fromhex("a003020102"), bytes.fromhex(f"a0030201{version:02x}"), 1)
    start = good.pem.index(b"-----BEGIN CERTIFICATE")
    pem = good.pem[:start] + ssl.DER_cert_to_PEM_cert(der).encode()
    return dataclasses.replace(good, der=der, pem=pem)


@pytest.mark.parametrize("version", [1, 3, 127])
def test_a_certificate_that_no_library_likes_costs_one_connection(version: int) -> None:
    """Whoever answers at an offered address, or calls the joiner as if it were the issuer, can show one."""

    async def run() -> None:
        async with running(Role.JOINER, Part.JOIN, pin=bytes(16)) as engine:
            own = Preamble(CallKind.PAIR, Role.ISSUER, True)
            stream = await call(engine.sockets.tcp_port, own, odd_certificate(version), server_side=True)
            with contextlib.suppress(OSError, LocalpairError):
                await asyncio.wait_for(stream.read(), 5)
            stream.abort()
            await asyncio.sleep(0.05)

    asyncio.run(run())


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("frames", [1, 3])
def test_a_secret_that_ends_in_the_middle_of_a_handshake_ends_that_handshake_only(
    purpose: Purpose, frames: int
) -> None:
    """The offer is used up by somebody else, or the pair is revoked, while Eve holds her handshake open."""
    secret = SharedSecret(bytes(32), purpose, Role.ISSUER)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as engine:
            engine.keyring.put("name", secret)
            eve = await claim(engine.sockets.tcp_port, secret, "name")
            for _ in range(frames):
                await eve.step()
            engine.keyring.drop("name")
            eve.send()
            await ended(eve.stream)
            assert engine.verified.empty()

    asyncio.run(run())


def test_a_handshake_begun_with_an_offer_that_was_replaced_does_not_pass() -> None:
    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as engine:
            eve = await claim(engine.sockets.tcp_port)
            await eve.step()
            engine.keyring.retire(OFFER)
            engine.keyring.put(OFFER, SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER))
            eve.send()
            await eve.step()
            assert Refused(Refusal.EXPIRED, proven=True) in eve.handshake.take_events()
            await ended(eve.stream)
            assert engine.verified.empty()

    asyncio.run(run())


@pytest.mark.parametrize("kind", [CallKind.SELF, CallKind.CONFIRM, CallKind.PAIR])
def test_a_caller_that_falls_silent_after_tls_loses_its_slot(
    kind: CallKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.net.agent.callbacks.IDENTIFY_S", 0.3)
    monkeypatch.setattr("localpair.net.agent.agent.HANDSHAKE_S", 0.3)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as engine:
            stream = await call(engine.sockets.tcp_port, Preamble(kind, Role.JOINER, True))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(stream.read(), 5)

    asyncio.run(run())


def test_stalled_neighbours_of_one_ipv6_prefix_do_not_keep_others_of_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a LAN the whole /64 of a joiner belongs to its neighbours as well."""
    monkeypatch.setattr("localpair.net.transport.listener._GRACE_S", 0.1)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as engine:
            port = engine.sockets.tcp_port
            stalled = [await connect(ip_address("::1"), port) for _ in range(2)]
            await asyncio.sleep(0.2)
            one = await connect(ip_address("::1"), port)
            await exchange_preambles(one, Preamble(CallKind.PAIR, Role.JOINER, True), timeout=3)
            for other in (*stalled, one):
                other.close()

    asyncio.run(run())


def test_hosts_that_share_only_the_link_local_prefix_are_sources_of_their_own() -> None:
    assert source_key(ip_address("fe80::1")) != source_key(ip_address("fe80::2"))
    assert source_key(ip_address("fe80::1%3")) == source_key(ip_address("fe80::1"))


# -- what packets can make this side keep, do and send -------------------------------------------------------


def test_strangers_with_ever_new_addresses_instances_and_lies_fill_no_memory_and_no_screen() -> None:
    dice = random.Random(3)
    stranger = SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER)
    events: list[Event] = []

    async def run() -> None:
        async with hearing(Keyring(), Role.ISSUER, Part.HOST, events) as engine:
            for number in range(20_000):
                source = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255 or 1}"
                seen = Seen(ip_address(dice.randrange(0x0B000000, 0x7E000000)), 1)
                hint = beacon(dice.randbytes(16), seen=seen)
                feed(engine, Keyring().seal(None, hint, dice.randbytes(12)), source)
                sealed = Keyring([(OFFER, stranger)]).seal(OFFER, hint, dice.randbytes(12))
                feed(engine, sealed, source)
                if number % 64 == 0:
                    engine._changed.set()
                    await asyncio.sleep(0)
            engine._changed.set()
            await asyncio.sleep(0.05)
            heard = engine.hearing
            assert 0 < len(heard.foreign) <= PEERS
            assert 0 < len(heard.nearby) <= PEERS
            assert 0 < len(heard.seen_at) <= PEERS

    asyncio.run(run())
    assert len(events) < 2_000, "64 at once and 20 each second, a few events each"


def test_whoever_says_goodbye_or_has_a_session_is_dialled_no_more() -> None:
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])
    instance, other = bytes([1] * 16), bytes([2] * 16)

    async def run() -> None:
        async with hearing(ring, Role.ISSUER, Part.LISTEN, []) as engine:

            def hear(who: bytes, sequence: int, source: str, **more: Any) -> set[str]:
                said = beacon(who, sequence, **{"part": Part.SEND, "dial_port": 46830} | more)
                feed(engine, theirs.seal(OFFER, said, bytes([*who[:1], sequence] * 6)), source)
                engine.hearing.step(None)  # type: ignore[arg-type]
                return {str(one.address) for one in engine.checklists.candidates()}

            assert hear(instance, 1, "10.0.0.7", addresses=(ip_address("10.0.0.8"),)) == {
                "10.0.0.7",
                "10.0.0.8",
            }
            assert "10.0.0.9" in hear(other, 1, "10.0.0.9")
            engine.hearing.pause(instance)
            assert hear(other, 2, "10.0.0.9") == {"10.0.0.9"}, "it has a session"
            assert hear(instance, 2, "10.0.0.17") == {"10.0.0.9", "10.0.0.17"}, "it has moved, perhaps"
            engine.hearing.resume(instance)
            everywhere = {"10.0.0.7", "10.0.0.8", "10.0.0.17"}
            assert hear(other, 3, "10.0.0.9") == {"10.0.0.9"} | everywhere, "its connection is lost"
            assert hear(instance, 3, "10.0.0.7", kind=BeaconKind.GOODBYE) == {"10.0.0.9"}
            assert hear(other, 4, "10.0.0.9", kind=BeaconKind.GOODBYE) == set()

    asyncio.run(run())


def test_a_holder_of_the_secret_aims_no_datagram_at_groups_services_or_the_loopback() -> None:
    claims = tuple(map(ip_address, ("224.0.0.251", "255.255.255.255", "127.0.0.1", "0.0.0.0", "ff02::1")))
    ring, theirs = Keyring([(OFFER, SECRET)]), Keyring([(OFFER, THEIR_SECRET)])

    async def run() -> None:
        async with hearing(ring, Role.ISSUER, Part.HOST, []) as engine:
            feed(engine, theirs.seal(OFFER, beacon(bytes(16), addresses=claims), bytes(12)), "10.0.0.7")
            low = beacon(bytes([1] * 16), udp_port=53, addresses=(ip_address("10.0.0.53"),))
            feed(engine, theirs.seal(OFFER, low, bytes([1] * 12)), "10.0.0.8")
            engine.hearing.step(None)  # type: ignore[arg-type]
            targets = set(engine.finder.discovery._targets)
            assert {target.address for target in targets} == {ip_address("10.0.0.7")}

    asyncio.run(run())


def test_no_answer_goes_to_a_forged_source_that_is_a_service() -> None:
    async def run() -> None:
        async with hearing(Keyring(), Role.ISSUER, Part.HOST, []) as engine:
            discovery = engine.finder.discovery
            discovery.wake(engine.clock())
            discovery.take_transmits()
            for number, port in enumerate((53, 7, 5000)):
                hint = Keyring().seal(None, beacon(bytes([number] * 16)), bytes([number] * 12))
                feed(engine, hint, "10.0.0.9", port)
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


# -- random bytes on real sockets ----------------------------------------------------------------------------


def garbage(dice: random.Random) -> bytes:
    """Noise, or something of ours with a few bytes changed, cut or added."""
    samples = (
        Preamble(CallKind.PAIR, Role.JOINER, True).encode(),
        Hello(Role.JOINER, bytes(32), bytes(16)).encode(),
        Identity(bytes(32), bytes(64), bytes(90)).encode(),
        SelfCall(bytes(16), LOOPBACK).encode(),
        Keyring().seal(None, beacon(bytes(16), addresses=(LOOPBACK,), seen=Seen(LOOPBACK, 1), label="x"), bytes(12)),
        Keyring([(OFFER, THEIR_SECRET)]).seal(OFFER, beacon(bytes(16)), bytes(12)),
        dice.randbytes(dice.randrange(400)),
    )  # fmt: skip
    data = bytearray(dice.choice(samples))
    for _ in range(dice.randrange(4)):
        where = dice.randrange(len(data) + 1)
        data[where : where + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.2 else data)


@pytest.mark.parametrize("role", list(Role))
def test_frames_of_garbage_in_every_kind_of_call_end_that_call_only(
    role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(4)

    async def one(port: int, kind: CallKind) -> None:
        server_side = kind is CallKind.PAIR and role is Role.JOINER
        try:
            stream = await call(port, Preamble(kind, role.other, True), server_side=server_side)
            for _ in range(3):
                if dice.random() < 0.3:
                    stream._wire.transport.write(garbage(dice))
                else:
                    stream.write(dice.choice((1, 1, 2, 3, 7, 9, 10, 12, dice.randrange(256))), garbage(dice))
            await asyncio.wait_for(stream.read(), 0.05)
        except (OSError, LocalpairError):
            pass
        else:
            stream.abort()

    async def run() -> None:
        async with running(role, Part.HOST if role is Role.ISSUER else Part.JOIN) as engine:
            for _ in range(150):
                await one(engine.sockets.tcp_port, dice.choice(list(CallKind)))
            assert len(engine._listener._guests) <= 2

    with caplog.at_level("WARNING"):
        asyncio.run(run())
    assert not caplog.records, "no fault of our own, and nothing that fills a screen"


def test_garbage_instead_of_a_preamble_or_of_tls_ends_the_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dice = random.Random(5)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as engine:
            for number in range(150):
                one = await connect(LOOPBACK, engine.sockets.tcp_port)
                start = Preamble(CallKind.PAIR, Role.JOINER, True).encode() if number % 2 else b""
                with contextlib.suppress(OSError):
                    await asyncio.get_running_loop().sock_sendall(one, start + garbage(dice))
                one.close()
                await asyncio.sleep(0)

    with caplog.at_level("WARNING"):
        asyncio.run(run())
    assert not caplog.records, "strangers write nothing into the log that people see"


def test_datagrams_of_garbage_change_nothing() -> None:
    dice = random.Random(6)
    faults: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with running(Role.ISSUER, Part.HOST) as engine:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for number in range(3_000):
                    one.sendto(garbage(dice), (str(LOOPBACK), dice.choice((46_820, engine.sockets.udp_port))))
                    if number % 50 == 0:
                        await asyncio.sleep(0)
            await asyncio.sleep(0.05)

    asyncio.run(run())
    assert not faults


# -- devices that are paired already -------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["listener", "a"])
@pytest.mark.parametrize("act", ["revoke", "forget"])
def test_a_pair_that_ends_on_either_side_ends_the_live_session(tmp_path: Path, side: str, act: str) -> None:
    stores = paired_stores(tmp_path, "a")

    async def tell(_listening: Any, here: list[Any], there: list[Any]) -> None:
        store = stores[0] if side == "listener" else stores[1]
        (record,) = store.devices()
        getattr(localpair.TrustStore(store.folder), act)(record.device_id)
        for session in (*here, *there):
            await asyncio.wait_for(session.wait_closed(), 10)

    asyncio.run(meeting(stores, tell))


def test_a_revoked_device_is_not_reached(tmp_path: Path) -> None:
    stores = paired_stores(tmp_path, "a")
    (record,) = stores[1].devices()
    stores[1].revoke(record.device_id)

    async def run() -> None:
        async with reach(stores[1]) as reaching:
            await reaching.session()

    with pytest.raises(localpair.RefusedError) as refused:
        asyncio.run(run())
    assert refused.value.reason is Refusal.REVOKED


def test_an_unconfirmed_pair_is_confirmed_by_whoever_reaches_the_other_device(tmp_path: Path) -> None:
    stores = paired_stores(tmp_path, "a")
    (record,) = stores[1].devices()
    stores[1].forget(record.device_id)
    stores[1].record_unconfirmed(record)

    async def tell(*_: Any) -> None:
        (met,) = stores[1].devices()
        assert met.state is localpair.DeviceState.PAIRED

    asyncio.run(meeting(stores, tell))


def test_a_paired_device_cannot_take_over_the_session_of_another_one(tmp_path: Path) -> None:
    """It knows the instance, as anybody does whom the other one once dialled by mistake."""
    stores = paired_stores(tmp_path, "a", "mallory")
    (record,) = stores[2].devices()
    secret = SharedSecret(record.pair_key, Purpose.PAIR, Role.ISSUER)
    identity = DeviceIdentity.from_private_bytes(stores[2].identity())

    async def tell(listening: Any, here: list[Any], _there: list[Any]) -> None:
        instance, guest = next(
            (key, guest) for key, guest in listening._guests.items() if guest.session is here[0]
        )
        stream, line = guest.line.stream, guest.line
        port = int(here[0].path.local.rpartition(":")[2])
        mallory = await claim(
            port, secret, record.device_id, identity=identity, instance=instance, resumes=True
        )
        await mallory.until_verified()
        await ended(mallory.stream)
        assert not stream.is_closing()
        assert line.stream is stream

    asyncio.run(meeting(stores, tell))


def test_listening_ends_in_order_with_several_sessions(tmp_path: Path) -> None:
    stores = paired_stores(tmp_path, "a", "b", "c")

    async def tell(listening: Any, here: list[Any], there: list[Any]) -> None:
        await listening.__aexit__(None, None, None)
        assert not isinstance(listening._error, RuntimeError)
        for session in (*here, *there):
            await asyncio.wait_for(session.wait_closed(), 10)

    asyncio.run(meeting(stores, tell))


def test_an_offer_made_for_one_device_is_refused_to_another_by_the_issuer_itself(tmp_path: Path) -> None:
    """Flow post. Whoever photographed the offer does not ask its own program whether it was meant."""

    async def choose(near: Any) -> Any:
        return near[0]

    async def approve(_: localpair.ApprovalRequest) -> bool:
        raise AssertionError("nobody is asked about a device that was not chosen")

    async def call_for_attention() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            hint = beacon(bytes([7] * 16), part=Part.JOIN)
            while True:
                one.sendto(Keyring().seal(None, hint, random_bytes(12)), (str(LOOPBACK), 46_820))
                await asyncio.sleep(0.1)

    async def run() -> None:
        settings = localpair.Settings(flow="post", timeout=20)
        store = localpair.TrustStore(tmp_path)
        async with localpair.host(settings, store=store, approve=approve, choose=choose) as hosting:
            calling = asyncio.create_task(call_for_attention())
            async for event in hosting.events():
                if isinstance(event, localpair.OfferIssued):
                    offer = localpair.Offer.parse(event.text)
                    break
            eve = await claim(offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.ISSUER))
            await eve.until_verified()
            await eve.step()
            assert Refused(Refusal.OTHER_DEVICE, proven=True) in eve.handshake.take_events()
            calling.cancel()

    asyncio.run(run())


def test_a_paired_device_that_answers_no_nomination_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of its connections would be kept for ever, and a process has few descriptors."""
    monkeypatch.setattr("localpair.pairing.approval.HANDSHAKE_S", 0.3)
    stores = paired_stores(tmp_path, "a", "mallory")
    (record,) = stores[2].devices()
    identity = DeviceIdentity.from_private_bytes(stores[2].identity())

    async def tell(listening: Any, here: list[Any], _there: list[Any]) -> None:
        port = int(here[0].path.local.rpartition(":")[2])
        secret = SharedSecret(record.pair_key, Purpose.PAIR, Role.ISSUER)
        mallory = await claim(port, secret, record.device_id, identity=identity)
        await mallory.until_verified()
        await ended(mallory.stream)
        assert len(listening._guests) == 2

    asyncio.run(meeting(stores, tell))


def test_a_hosting_that_is_left_in_the_middle_of_an_approval_closes_its_connection(tmp_path: Path) -> None:
    async def run() -> None:
        asking = asyncio.Event()

        async def approve(_: localpair.ApprovalRequest) -> bool:
            asking.set()
            await asyncio.Event().wait()
            return True

        async with localpair.host(store=localpair.TrustStore(tmp_path), approve=approve) as hosting:
            async for event in hosting.events():
                if isinstance(event, localpair.OfferIssued):
                    offer = localpair.Offer.parse(event.text)
                    break
            eve = await claim(offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.ISSUER))
            await eve.until_verified()
            await asyncio.wait_for(asking.wait(), 5)
        with pytest.raises(ConnectionError):
            await eve.for_ever()

    asyncio.run(run())


def test_a_second_device_may_not_take_over_between_the_commit_and_its_repetition(tmp_path: Path) -> None:
    """The first one's connection breaks after COMMIT; the offer is its own until the attempt ends."""

    async def approve(_: localpair.ApprovalRequest) -> bool:
        return True

    async def run() -> None:
        settings = localpair.Settings(timeout=20)
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path), approve=approve) as hosting:
            events = hosting.events()
            async for event in events:
                if isinstance(event, localpair.OfferIssued):
                    offer = localpair.Offer.parse(event.text)
                    break
            secret = SharedSecret(offer.secret, Purpose.OFFER, Role.ISSUER)
            first = await claim(offer.tcp_port, secret)
            while not any(isinstance(one, RecordUnconfirmed) for one in first.handshake.take_events()):
                await first.step()
            first.stream.abort()
            for _ in range(12):  # and ten false claims do not take the secret away from it
                eve = await claim(offer.tcp_port, SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER))
                eve.send()
                await ended(eve.stream)
            second = await claim(offer.tcp_port, secret)
            await second.until_verified()
            await second.step()
            assert Refused(Refusal.ALREADY_CLAIMED, proven=True) in second.handshake.take_events()
        again = [event async for event in events if isinstance(event, localpair.OfferIssued)]
        assert not again

    asyncio.run(run())
