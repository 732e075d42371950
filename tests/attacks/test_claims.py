"""Attacks on a claim that stands: who may come again, who may get in between, and what the person sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import localpair
from attack_scenes import until
from attack_sides import (
    Claimant,
    claim,
    ended,
)
from localpair.errors import Refusal
from localpair.events import Event
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, device_id, random_bytes
from localpair.limits import RACE_S
from localpair.protocol.handshake import (
    Complete,
    Nominated,
    RecordPaired,
    RecordUnconfirmed,
    Refused,
)

pytestmark = pytest.mark.isolated


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
                hosting, offer.tcp_port, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER), person
            )

    asyncio.run(run())


async def false_claim(port: int) -> None:
    """By all the rules, but with a secret that is none."""
    eve = await claim(port, SharedSecret(random_bytes(16), Purpose.OFFER, Role.JOINER))
    assert await until(eve, Refused) == Refused(Refusal.WRONG_SECRET, proven=False)
    await ended(eve.stream)


def test_false_claims_do_not_replace_the_offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of them did, and so whoever took longer to carry the offer than a stranger to make them never paired."""
    monkeypatch.setattr("localpair.pairing.host.OFFER_RENEWAL_S", 0.0)
    monkeypatch.setattr("localpair.net.transport.listener.STRANGERS_REFILL_S", 1e-6)  # so that all are heard

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        for _ in range(12):
            await false_claim(port)
        bob = await claim(port, secret)
        assert isinstance(await until(bob, Refused, Nominated), Nominated)
        person.answer.set_result(False)

    on_stage(tmp_path, scene)


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
            port, SharedSecret(pair_key, Purpose.PAIR, Role.JOINER), name, identity=identity, resumes=True
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


# -- a claimant that holds the secret and says nothing ----------------------------------------------------------


def hurry(monkeypatch: pytest.MonkeyPatch, *, answer_s: float) -> None:
    """Who says nothing is soon given up, and the next offer is shown at once."""
    monkeypatch.setattr("localpair.pairing.approval.ANSWER_S", answer_s)
    monkeypatch.setattr("localpair.pairing.host.OFFER_RENEWAL_S", 0.0)


async def falls_silent(port: int, secret: SharedSecret) -> Claimant:
    """Eve has read the offer. She is nominated, and says nothing from then on."""
    eve = await claim(port, secret)
    await until(eve, Nominated)
    eve.handshake.take_outgoing()  # what she would say
    return eve


def test_a_silent_claimant_costs_the_rightful_device_one_reading_of_the_next_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while Eve is waited for, and never hears that it came too late."""
    hurry(monkeypatch, answer_s=0.5)

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        person.answer.set_result(True)
        eve = await falls_silent(port, secret)
        bob = await claim(port, secret)
        assert await until(bob, Refused, Nominated) == Refused(Refusal.EXPIRED, proven=True)
        await ended(eve.stream)
        offer = localpair.Offer.parse((await event_of(hosting, localpair.OfferIssued)).text)
        identity = DeviceIdentity.generate()
        bob = await claim(port, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER), identity=identity)
        await record(bob)
        session = await asyncio.wait_for(hosting.session(), 10)
        assert session.peer.device_id == device_id(identity.public)

    on_stage(tmp_path, scene)


def test_a_device_that_comes_after_a_silent_claimant_hears_to_read_the_next_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch, answer_s=0.2)

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        person.answer.set_result(True)
        eve = await falls_silent(port, secret)
        await ended(eve.stream)
        bob = await claim(port, secret)
        assert await until(bob, Refused, Nominated) == Refused(Refusal.EXPIRED, proven=True)
        await event_of(hosting, localpair.OfferIssued)

    on_stage(tmp_path, scene)


def test_where_the_claimant_speaks_after_all_the_device_that_was_held_has_come_too_late(
    tmp_path: Path,
) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        person.answer.set_result(True)
        first = await claim(port, secret)
        await until(first, Nominated)
        late = await claim(port, secret)
        await late.until_verified()
        await record(first)
        assert await until(late, Refused, Nominated) == Refused(Refusal.ALREADY_CLAIMED, proven=True)
        await asyncio.wait_for(hosting.session(), 10)

    on_stage(tmp_path, scene)


@pytest.mark.parametrize("gives", [False, True])
def test_a_silent_claimant_does_not_hold_a_host_past_its_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gives: bool
) -> None:
    """Whoever says that it gives has the time of a person besides, and no more."""
    monkeypatch.setattr("localpair.pairing.approval.ANSWER_S", 1.5)
    monkeypatch.setattr("localpair.pairing.approval.APPROVAL_S", 1.0)

    async def run() -> float:
        store, person = localpair.TrustStore(tmp_path), Person()
        person.answer.set_result(True)
        settings = localpair.Settings(timeout=3)
        async with localpair.host(settings, store=store, approve=person.approve) as hosting:
            offer = localpair.Offer.parse((await event_of(hosting, localpair.OfferIssued)).text)
            started = asyncio.get_running_loop().time()  # the limit counts from the offer, not from the start
            secret = SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER)
            eve = await claim(offer.tcp_port, secret, gives=gives)
            await until(eve, Nominated)
            with pytest.raises(localpair.UnreachableError):
                await asyncio.wait_for(hosting.session(), 30)
            return asyncio.get_running_loop().time() - started

    assert asyncio.run(run()) < 3 + 1.5 + 1.0


async def claimed(port: int, secret: SharedSecret, person: Person) -> Claimant:
    """A device whose person has the code before him, while the host's is asked."""
    claimant = await claim(port, secret)
    await until(claimant, Nominated)
    claimant.send()
    await asyncio.wait_for(person.asked.get(), 5)
    return claimant


def test_a_host_that_ends_tells_whoever_has_claimed_its_offer(tmp_path: Path) -> None:
    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        claimant = await claimed(port, secret, person)
        await hosting.__aexit__(None, None, None)
        assert await until(claimant, Refused) == Refused(Refusal.ENDED, proven=True)
        await ended(claimant.stream)

    on_stage(tmp_path, scene)


def test_a_device_that_ends_is_asked_about_no_more_and_the_host_waits_on_with_a_new_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code was shown, so that its offer is of no use to anybody: nobody waits for its return."""
    monkeypatch.setattr("localpair.pairing.host.OFFER_RENEWAL_S", 0.0)

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        claimant = await claimed(port, secret, person)
        claimant.handshake.refuse(Refusal.ENDED)
        claimant.send()
        async with asyncio.timeout(5):
            assert await event_of(hosting, localpair.PeerEnded)
            renewed = localpair.Offer.parse((await event_of(hosting, localpair.OfferIssued)).text)
        assert person.answer.cancelled()
        late = await claim(port, secret)
        assert await until(late, Refused) == Refused(Refusal.EXPIRED, proven=True)
        person.answer = asyncio.get_running_loop().create_future()
        person.answer.set_result(True)
        again = await claim(port, SharedSecret(renewed.secret, Purpose.OFFER, Role.JOINER))
        await record(again)
        await asyncio.wait_for(hosting.session(), 10)

    on_stage(tmp_path, scene)


def test_nobody_who_does_not_hold_the_secret_can_say_that_a_device_has_ended(tmp_path: Path) -> None:
    """Eve sits on the wire and ends connections as she likes, with a word that looks like a farewell."""

    async def scene(hosting: localpair.Hosting, port: int, secret: SharedSecret, person: Person) -> None:
        eve = await claim(port, SharedSecret(random_bytes(16), Purpose.OFFER, Role.JOINER))
        eve.handshake.refuse(Refusal.ENDED)
        eve.send()
        await ended(eve.stream)
        bob = await claimed(port, secret, person)
        person.answer.set_result(True)
        await record(bob)
        await asyncio.wait_for(hosting.session(), 10)
        told = [event async for event in drained(hosting)]
        assert not [event for event in told if isinstance(event, localpair.PeerEnded)]

    on_stage(tmp_path, scene)


async def drained(hosting: localpair.Hosting) -> AsyncIterator[Event]:
    """The events up to the pair."""
    async for event in hosting.events():
        yield event
        if isinstance(event, localpair.Paired):
            return
