"""Attacks on connections: certificates, secrets that end, callers that fall silent, slots."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from attack_sides import (
    THEIR_SECRET,
    beacon,
    call,
    claim,
    ended,
    running,
)
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.errors import LocalpairError, Refusal
from localpair.keys import (
    Purpose,
    Role,
    SessionCertificate,
    SharedSecret,
    certificate_fingerprint,
)
from localpair.net.agent.agent import Agent
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.tcp import connect, exchange_preambles
from localpair.protocol.handshake import Refused
from localpair.protocol.keyring import OFFER, Keyring
from localpair.protocol.rate_limits import source_key
from localpair.wire.beacon import Beacon, BeaconKind, Part
from localpair.wire.messages import CallKind, CarriedBeacon, Preamble, decode_message

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
        async with running(Role.JOINER, Part.JOIN, pin=bytes(16)) as agent:
            own = Preamble(CallKind.PAIR, Role.ISSUER, True)
            stream = await call(agent.tcp_port, own, odd_certificate(version), server_side=True)
            with contextlib.suppress(OSError, LocalpairError):
                await asyncio.wait_for(stream.read(), 5)
            stream.abort()
            await asyncio.sleep(0.05)

    asyncio.run(run())


@pytest.mark.parametrize(("part", "same"), [(Part.LISTEN, False), (Part.HOST, True)])
def test_a_device_that_has_moved_shows_another_certificate(part: Part, same: bool) -> None:
    """Whoever connects to it at both places; only an offer, which lives for minutes, binds a host to one."""
    there = InterfaceAddress(ip_address("10.9.9.9"), 24)
    lan = Interface(2, "eth0", InterfaceKind.ETHERNET, carrier=True, addresses=(there,))

    async def shown(agent: Agent) -> bytes:
        stream = await call(agent.tcp_port, Preamble(CallKind.PAIR, Role.JOINER, True))
        stream.abort()
        return stream.certificate

    async def run() -> None:
        async with running(Role.ISSUER, part) as agent:
            first = await shown(agent)
            assert await shown(agent) == first
            agent._set_interfaces(Interfaces((lan,)))
            assert (await shown(agent) == first) is same
            moved = await claim(agent.tcp_port)
            await moved.until_verified()

    asyncio.run(run())


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("frames", [1, 3])
def test_a_secret_that_ends_in_the_middle_of_a_handshake_ends_that_handshake_only(
    purpose: Purpose, frames: int
) -> None:
    """The offer is used up by somebody else, or the pair is revoked, while Eve holds her handshake open."""
    secret = SharedSecret(bytes(32), purpose, Role.ISSUER)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            agent.keyring.put("name", secret)
            eve = await claim(agent.tcp_port, secret, "name")
            for _ in range(frames):
                await eve.step()
            agent.keyring.drop("name")
            eve.send()
            await ended(eve.stream)
            assert agent.verified.empty()

    asyncio.run(run())


def test_a_handshake_begun_with_an_offer_that_was_replaced_does_not_pass() -> None:
    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            eve = await claim(agent.tcp_port)
            await eve.step()
            agent.keyring.retire(OFFER)
            agent.keyring.put(OFFER, SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER))
            eve.send()
            await eve.step()
            assert Refused(Refusal.EXPIRED, proven=True) in eve.handshake.take_events()
            await ended(eve.stream)
            assert agent.verified.empty()

    asyncio.run(run())


@pytest.mark.parametrize("kind", [CallKind.SELF, CallKind.CONFIRM, CallKind.PAIR])
def test_a_caller_that_falls_silent_after_tls_loses_its_slot(
    kind: CallKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.net.agent.callbacks.IDENTIFY_S", 0.3)
    monkeypatch.setattr("localpair.net.agent.verification.HANDSHAKE_S", 0.3)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            stream = await call(agent.tcp_port, Preamble(kind, Role.JOINER, True))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(stream.read(), 5)

    asyncio.run(run())


def test_stalled_neighbours_of_one_ipv6_prefix_do_not_keep_others_of_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a LAN the whole /64 of a joiner belongs to its neighbours as well."""
    monkeypatch.setattr("localpair.net.transport.listener.WAITING_CALLS", 2)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            port = agent.tcp_port
            stalled = [await connect(ip_address("::1"), port) for _ in range(2)]
            one = await connect(ip_address("::1"), port)
            await exchange_preambles(one, Preamble(CallKind.PAIR, Role.JOINER, True), timeout=3)
            for other in (*stalled, one):
                other.close()

    asyncio.run(run())


def test_hosts_that_share_only_the_link_local_prefix_are_sources_of_their_own() -> None:
    assert source_key(ip_address("fe80::1")) != source_key(ip_address("fe80::2"))
    assert source_key(ip_address("fe80::1%3")) == source_key(ip_address("fe80::1"))


def test_a_confirmation_is_answered_in_the_call_that_it_was_made_for_and_in_no_other() -> None:
    """What Eve has recorded over UDP, was told herself in a call, or made up: to all of that there is no answer."""
    theirs = Keyring([(OFFER, THEIR_SECRET)])

    async def answer(agent: Agent, datagram_for: Callable[[bytes], bytes]) -> str:
        stream = await call(agent.tcp_port, Preamble(CallKind.CONFIRM, Role.JOINER, True))
        stream.write(CarriedBeacon.TYPE, datagram_for(certificate_fingerprint(stream.certificate)))
        try:
            frame = await asyncio.wait_for(stream.read(), 5)
        except ConnectionError as error:
            return str(error)
        finally:
            stream.abort()
        return f"{decode_message(frame.type, frame.body).TYPE}"

    def said(number: int) -> Beacon:
        return beacon(bytes([number]) * 16, kind=BeaconKind.CONFIRM)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            recorded = theirs.seal(OFFER, said(1), bytes([1]) * 12)
            told_to_eve = theirs.seal(OFFER, said(2), bytes([2]) * 12, bytes(32))
            made_up = recorded[:4] + bytes(len(recorded) - 4)
            deaf = {await answer(agent, lambda _, one=one: one) for one in (recorded, told_to_eve, made_up)}
            assert len(deaf) == 1
            assert "ended" in deaf.pop()
            here = await answer(agent, lambda mine: theirs.seal(OFFER, said(3), bytes([3]) * 12, mine))
            assert here == str(CarriedBeacon.TYPE)

    asyncio.run(run())
