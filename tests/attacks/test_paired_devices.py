"""Devices that are paired already: what one of them can do that it must not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

import localpair
from attack_sides import (
    beacon,
    claim,
    ended,
    meeting,
    paired_stores,
    reach,
)
from localpair.address import LOOPBACK
from localpair.errors import Refusal
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SharedSecret,
    random_bytes,
)
from localpair.protocol.handshake import RecordUnconfirmed, Refused
from localpair.protocol.keyring import Keyring
from localpair.wire.beacon import Part

pytestmark = pytest.mark.isolated


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
    secret = SharedSecret(record.pair_key, Purpose.PAIR, Role.JOINER)
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
            eve = await claim(offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER))
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
        secret = SharedSecret(record.pair_key, Purpose.PAIR, Role.JOINER)
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
            eve = await claim(offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER))
            await eve.until_verified()
            await asyncio.wait_for(asking.wait(), 5)
        with pytest.raises(ConnectionError):
            await eve.for_ever()

    asyncio.run(run())


def test_a_second_device_may_not_take_over_between_the_commit_and_its_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's connection breaks after COMMIT; the offer is its own until the attempt ends."""
    monkeypatch.setattr("localpair.net.transport.listener.STRANGERS_REFILL_S", 1e-6)  # so that all are heard

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
            secret = SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER)
            first = await claim(offer.tcp_port, secret)
            while not any(isinstance(one, RecordUnconfirmed) for one in first.handshake.take_events()):
                await first.step()
            first.stream.abort()
            for _ in range(12):  # and ten false claims do not take the secret away from it
                eve = await claim(offer.tcp_port, SharedSecret(bytes(16), Purpose.OFFER, Role.JOINER))
                eve.send()
                await ended(eve.stream)
            second = await claim(offer.tcp_port, secret)
            await second.until_verified()
            await second.step()
            assert Refused(Refusal.ALREADY_CLAIMED, proven=True) in second.handshake.take_events()
        again = [event async for event in events if isinstance(event, localpair.OfferIssued)]
        assert not again

    asyncio.run(run())
