"""The short code: both screens show the same, and nobody in between can choose one that fits."""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import islice

import pytest

from localpair.errors import Refusal, RefusedError
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, digest
from localpair.protocol.handshake import ApprovalNeeded, Handshake, LocalSide, Nominated, Verified
from localpair.protocol.keyring import OFFER, Keyring
from localpair.protocol.short_code import CodeExchange, PeerShare, check_opening, code_commitment
from localpair.wire.messages import Claims, Identity, Nominate

ADDRESS = ip_address("192.168.1.20")
HOST, PHONE, EVE = (DeviceIdentity.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
HOSTS_SECRET, EVES_SECRET = (SharedSecret(bytes([n]) * 16, Purpose.OFFER, Role.ISSUER) for n in (4, 5))
HOSTS_CERTIFICATE, EVES_CERTIFICATE = bytes([6]) * 32, bytes([7]) * 32
HOSTS_SHARE, PHONES_SHARE = bytes([8]) * 32, bytes([9]) * 32
ANOTHER_KEY = DeviceIdentity.from_private_bytes(bytes([10]) * 32)
TRIES = 2**20
SHARES = tuple(bytes([n]) * 32 for n in range(1, 6))


def nonces(seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    while True:
        yield dice.randbytes(32)


_RANDOM = nonces(0)


def side(role: Role, identity: DeviceIdentity, share: bytes = b"") -> LocalSide:
    return LocalSide(role, identity, "", next(_RANDOM)[:16], next(_RANDOM), share or next(_RANDOM))


def to_the_host(ring: Keyring) -> Handshake:
    """A new connection that the host has accepted."""
    return Handshake(side(Role.ISSUER, HOST, HOSTS_SHARE), ring, HOSTS_CERTIFICATE, ADDRESS)


def eve_joins(identity: DeviceIdentity = EVE, share: bytes = b"") -> Handshake:
    """Eve has read the host's offer, and joins by all the rules."""
    ring = Keyring([(OFFER, HOSTS_SECRET)])
    return Handshake(side(Role.JOINER, identity, share), ring, HOSTS_CERTIFICATE, ADDRESS, OFFER)


def from_the_phone(ring: Keyring) -> Handshake:
    """A new connection of the phone, which was given Eve's offer in place of the host's."""
    return Handshake(side(Role.JOINER, PHONE, PHONES_SHARE), ring, EVES_CERTIFICATE, ADDRESS, OFFER)


def eve_hosts(share: bytes = b"") -> Handshake:
    ring = Keyring([(OFFER, EVES_SECRET)])
    return Handshake(side(Role.ISSUER, EVE, share), ring, EVES_CERTIFICATE, ADDRESS)


def carry(one: Handshake, other: Handshake) -> None:
    """Carry frames both ways until nothing moves."""
    moved = True
    while moved:
        moved = False
        for sender, receiver in ((one, other), (other, one)):
            for kind, body in sender.take_outgoing():
                receiver.receive(kind, body)
                moved = True


def code(handshake: Handshake) -> str:
    return next(event.code for event in handshake.take_events() if isinstance(event, Nominated))


def grind(keyed: Callable[[bytes], str], target: str = "123 456") -> bytes:
    """The first of TRIES nonces whose code is the target. With the values of this file there is one each time."""
    tries = islice(nonces(1), TRIES)
    return next(nonce for nonce in tries if keyed(nonce) == target)


def fast_code(secret: SharedSecret, *shares: bytes | None) -> Callable[[bytes], str]:
    """SharedSecret.short_code as a function of the share that is None, five times as fast."""
    key, place = secret._handshake, shares.index(None)

    def keyed(nonce: bytes) -> str:
        filled = [nonce if index == place else share or b"" for index, share in enumerate(shares)]
        block = hmac.digest(key, b"short code" + digest(*filled) + b"\x01", "sha256")
        number = int.from_bytes(block[:8], "big") % 1_000_000
        return f"{number // 1000:03d} {number % 1000:03d}"

    return keyed


def test_the_code_depends_on_every_share_and_on_their_order() -> None:
    codes = {HOSTS_SECRET.short_code(*SHARES), EVES_SECRET.short_code(*SHARES)}
    codes |= {HOSTS_SECRET.short_code(*SHARES[:n], bytes(32), *SHARES[n + 1 :]) for n in range(5)}
    codes |= {HOSTS_SECRET.short_code(SHARES[0], SHARES[2], SHARES[1], *SHARES[3:])}
    assert len(codes) == 8
    assert all(len(code) == 7 and code[3] == " " and code.replace(" ", "").isdigit() for code in codes)


def test_both_sides_show_one_code_and_a_person_is_asked_about_that_one() -> None:
    host, phone = to_the_host(Keyring([(OFFER, HOSTS_SECRET)])), eve_joins(PHONE)
    carry(host, phone)
    for handshake in (host, phone):
        assert [type(event) for event in handshake.take_events()] == [Verified], (
            "no code before the nomination"
        )
    host.nominate()
    carry(host, phone)
    events = host.take_events()
    shown = {event.code for event in events if isinstance(event, Nominated | ApprovalNeeded)}
    assert len(events) == 2
    assert shown == {code(phone)}


def test_all_connections_of_an_offer_have_one_code() -> None:
    """A device that comes again on another connection shows what the person has compared already."""
    rings = Keyring([(OFFER, HOSTS_SECRET)]), Keyring([(OFFER, HOSTS_SECRET)])
    codes = set()
    for _ in range(3):
        host = to_the_host(rings[0])
        phone = Handshake(side(Role.JOINER, PHONE), rings[1], HOSTS_CERTIFICATE, ADDRESS, OFFER)
        carry(host, phone)
        host.nominate()
        carry(host, phone)
        codes |= {code(host), code(phone)}
    assert len(codes) == 1


def test_a_new_offer_has_a_new_share() -> None:
    ring = Keyring([(OFFER, HOSTS_SECRET)])
    old = ring.code_exchange(OFFER, bytes(32))
    assert ring.code_exchange(OFFER, bytes([1]) * 32) is old
    ring.retire(OFFER)
    ring.put(OFFER, EVES_SECRET)
    assert ring.code_exchange(OFFER, bytes([1]) * 32).nonce == bytes([1]) * 32


# -- Eve in between ---------------------------------------------------------------------------------------------


def test_whoever_knew_all_other_shares_would_find_one_that_fits() -> None:
    """That the attacks below fail is not for want of tries."""
    shares = (HOSTS_CERTIFICATE, HOST.public, EVE.public, HOSTS_SHARE, None)
    found = grind(fast_code(HOSTS_SECRET, *shares))
    assert HOSTS_SECRET.short_code(*shares[:4], found) == "123 456"


def test_towards_the_host_eve_is_bound_before_she_sees_its_share() -> None:
    """She knows the phone's code already, and wants the host to show the same."""
    ring = Keyring([(OFFER, HOSTS_SECRET)])
    host, eve = to_the_host(ring), eve_joins()
    sent: list[tuple[int, bytes]] = []
    moved = True
    while moved:
        moved = False
        for sender, receiver in ((eve, host), (host, eve)):
            for kind, body in sender.take_outgoing():
                moved = True
                sent += [(kind, body)] if sender is host else []
                receiver.receive(kind, body)
    share = ring.code_exchange(OFFER, b"").nonce
    assert share
    assert not any(share in body for _, body in sent), (
        "what the host says before Eve's identity holds no share"
    )
    identity = next(body for kind, body in sent if kind == Identity.TYPE)
    assert code_commitment(HOSTS_CERTIFICATE, HOST.public, HOSTS_SHARE) in identity


@pytest.mark.parametrize("same_device", [True, False], ids=["the-same-key", "another-key"])
def test_towards_the_host_eve_gets_no_second_guess(same_device: bool) -> None:
    """She has seen the host's share on a connection that she dropped, and comes again with one that fits."""
    ring = Keyring([(OFFER, HOSTS_SECRET)])
    first, eve = to_the_host(ring), eve_joins()
    carry(first, eve)
    first.nominate()
    opening = next(body for kind, body in first.take_outgoing() if kind == Nominate.TYPE)
    identity = EVE if same_device else ANOTHER_KEY
    shares = (HOSTS_CERTIFICATE, HOST.public, identity.public, opening, None)
    fitting = grind(fast_code(HOSTS_SECRET, *shares))
    second, eve = to_the_host(ring), eve_joins(identity, fitting)
    carry(second, eve)
    assert not second.may_be_nominated
    with pytest.raises(RefusedError) as refused:
        second.nominate()
    assert refused.value.reason is Refusal.WRONG_KEY
    assert not second.take_outgoing()


def test_towards_the_phone_eve_has_to_keep_to_what_she_committed_herself_to() -> None:
    """She knows the host's code already, and, after the phone's identity, the phone's share."""
    phone, eve = from_the_phone(Keyring([(OFFER, EVES_SECRET)])), eve_hosts()
    carry(phone, eve)
    fitting = grind(fast_code(EVES_SECRET, EVES_CERTIFICATE, EVE.public, PHONE.public, None, PHONES_SHARE))
    with pytest.raises(RefusedError) as refused:
        phone.receive(Nominate.TYPE, fitting)
    assert refused.value.reason is Refusal.WRONG_KEY
    assert not [event for event in phone.take_events() if isinstance(event, Nominated)]


def test_towards_the_phone_eve_gets_no_second_guess() -> None:
    """She breaks the connection instead, and commits herself on the next one to a share that fits."""
    ring = Keyring([(OFFER, EVES_SECRET)])
    phone, eve = from_the_phone(ring), eve_hosts()
    carry(phone, eve)
    fitting = grind(fast_code(EVES_SECRET, EVES_CERTIFICATE, EVE.public, PHONE.public, None, PHONES_SHARE))
    with pytest.raises(RefusedError) as refused:
        carry(from_the_phone(ring), eve_hosts(fitting))
    assert refused.value.reason is Refusal.WRONG_KEY


def test_a_commitment_is_of_one_certificate_and_one_device() -> None:
    commitment = code_commitment(HOSTS_CERTIFICATE, HOST.public, bytes(32))
    check_opening(commitment, HOSTS_CERTIFICATE, HOST.public, bytes(32))
    for certificate, key, nonce in (
        (EVES_CERTIFICATE, HOST.public, bytes(32)),
        (HOSTS_CERTIFICATE, EVE.public, bytes(32)),
        (HOSTS_CERTIFICATE, HOST.public, bytes([1]) * 32),
    ):
        with pytest.raises(RefusedError):
            check_opening(commitment, certificate, key, nonce)


def test_a_share_stands_in_no_representation() -> None:
    exchange = CodeExchange(b"n" * 32)
    exchange.bind(PeerShare(EVE.public, b"v" * 32))
    assert "nnn" not in repr(exchange) + repr(side(Role.ISSUER, HOST, b"n" * 32))
    assert "nnn" not in repr(Nominate(b"n" * 32)) + repr(Claims(b"n" * 32, bytes(16), ADDRESS))
