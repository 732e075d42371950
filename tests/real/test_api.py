"""The programs' interface: two sides in one process, over the loopback interface of a namespace of their own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import localpair
from localpair.choices.settings import nobody
from localpair.errors import Refusal, RefusedError, UnreachableError
from localpair.events import Judged
from localpair.names.labels import general_name
from localpair.protocol.discovery import Discovery
from localpair.trace import TRACE
from secret_forms import forms

pytestmark = pytest.mark.isolated

TRACED = {"run", "agent", "dial", "call", "phase", "nomination", "frame", "session", "transfer"}
Approver = Callable[[localpair.ApprovalRequest], Awaitable[bool]]


async def agree(_: localpair.ApprovalRequest) -> bool:
    return True


async def offered(hosting: localpair.Pairing) -> localpair.Offer:
    async for event in hosting.events():
        if isinstance(event, localpair.OfferIssued):
            return localpair.Offer.parse(event.text)
    await hosting.session()
    raise AssertionError("the hosting ended without an offer")


async def meet(
    folder: Path, *, host_with: dict[str, Any] | None = None, join_with: dict[str, Any] | None = None,
    host_approves: Approver = agree, join_approves: Approver = agree,
) -> tuple[Any, Any]:  # fmt: skip
    """Pair within this process; what each side's ``session()`` gave, an error included."""
    stores = [localpair.TrustStore(folder / name) for name in "ab"]
    async with localpair.host(
        localpair.Settings(timeout=15, **host_with or {}), store=stores[0], approve=host_approves
    ) as hosting:
        offer = await offered(hosting)
        settings = localpair.Settings(timeout=10, **join_with or {})
        async with localpair.join(offer, settings, store=stores[1], approve=join_approves) as joining:
            return tuple(await asyncio.gather(hosting.session(), joining.session(), return_exceptions=True))  # type: ignore[return-value]


def test_both_sides_get_a_session_with_the_other(tmp_path: Path) -> None:
    here, there = asyncio.run(meet(tmp_path, host_with={"name": "kitchen"}, join_with={"name": "phone"}))
    assert (here.peer.label, there.peer.label) == ("phone", "kitchen")
    stores = [localpair.TrustStore(tmp_path / name) for name in "ab"]
    for store, session in zip(stores, (here, there), strict=True):
        (record,) = store.devices()
        assert record.device_id == session.peer.device_id
        assert record.state is localpair.DeviceState.PAIRED
    assert stores[0].devices()[0].pair_key == stores[1].devices()[0].pair_key


@pytest.mark.parametrize(
    ("who", "host_with", "join_with"),
    [
        ("host", {}, {}),
        ("host", {"gives": True}, {"takes": True}),
        ("join", {"takes": True}, {"gives": True}),
    ],
)
def test_a_person_who_says_no_ends_it_on_both_sides(
    tmp_path: Path, who: str, host_with: dict[str, Any], join_with: dict[str, Any]
) -> None:
    outcome = asyncio.run(
        meet(
            tmp_path, host_with=host_with, join_with=join_with,
            host_approves=nobody if who == "host" else agree, join_approves=nobody if who == "join" else agree,
        )
    )  # fmt: skip
    for error in outcome:
        assert isinstance(error, RefusedError)
        assert error.reason is Refusal.NOT_APPROVED
    for name in "ab":
        assert not localpair.TrustStore(tmp_path / name).devices()


async def for_ever(_: localpair.ApprovalRequest) -> bool:
    await asyncio.Event().wait()
    return True


async def code_of(pairing: localpair.Pairing) -> str:
    async for event in pairing.events():
        if isinstance(event, localpair.CodeShown):
            return event.code
    raise AssertionError("nobody is asked")


def test_a_join_ends_with_its_host_while_a_person_is_asked_there_also_where_no_beacon_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Discovery, "goodbye", lambda _: None)

    async def run() -> float:
        here, there = (localpair.TrustStore(tmp_path / name) for name in "ab")
        async with localpair.host(store=here, approve=for_ever) as hosting:
            joining = localpair.join(await offered(hosting), store=there, approve=agree)
            await joining.__aenter__()
            await code_of(joining)
        ended = asyncio.get_running_loop().time()
        with pytest.raises(localpair.PeerEndedError, match="the other device ended"):
            await joining.session()
        await joining.__aexit__(None, None, None)
        return asyncio.get_running_loop().time() - ended

    assert asyncio.run(run()) < 1.0


def test_a_host_waits_on_where_a_join_ends_while_its_person_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Discovery, "goodbye", lambda _: None)

    async def run() -> Any:
        here, there = (localpair.TrustStore(tmp_path / name) for name in "ab")
        asked = asyncio.Event()

        async def think(request: localpair.ApprovalRequest) -> bool:
            asked.set()
            return await for_ever(request)

        async with localpair.host(store=here, approve=agree) as hosting:
            offer = await offered(hosting)
            settings = localpair.Settings(gives=True)
            async with localpair.join(offer, settings, store=there, approve=think):
                await asked.wait()
            renewed = await offered(hosting)
            assert renewed.secret != offer.secret
            async with localpair.join(renewed, store=there, approve=agree) as again:
                return await asyncio.gather(hosting.session(), again.session())

    assert len(asyncio.run(run())) == 2


def test_what_is_asked_tells_who_and_what_and_the_same_code_on_both_sides(tmp_path: Path) -> None:
    asked: list[localpair.ApprovalRequest] = []

    async def remember(request: localpair.ApprovalRequest) -> bool:
        asked.append(request)
        return True

    both = {"gives": True, "takes": True}
    here, there = asyncio.run(
        meet(tmp_path, host_with=both, join_with=both, host_approves=remember, join_approves=remember)
    )
    assert len(asked) == 2
    assert len({request.code for request in asked}) == 1
    assert {request.peer.device_id for request in asked} == {here.peer.device_id, there.peer.device_id}
    assert {request.direction for request in asked} == {"both"}


def test_a_hostile_name_is_cleaned_before_anybody_sees_it(tmp_path: Path) -> None:
    evil = "\x1b[2Jboss\u202egpj.exe\n"
    asked: list[localpair.ApprovalRequest] = []

    async def remember(request: localpair.ApprovalRequest) -> bool:
        asked.append(request)
        return True

    async def run() -> Any:
        settings = localpair.Settings(timeout=10)
        object.__setattr__(settings, "name", evil)  # a hostile peer does not clean its own name
        store = localpair.TrustStore(tmp_path / "b")
        host_store = localpair.TrustStore(tmp_path / "a")
        async with (
            localpair.host(store=host_store, approve=remember) as hosting,
            localpair.join(await offered(hosting), settings, store=store, approve=agree),
        ):
            return await hosting.session()

    session = asyncio.run(run())
    for label in (
        session.peer.label,
        asked[0].peer.label,
        localpair.TrustStore(tmp_path / "a").devices()[0].label,
    ):
        assert "boss" in label
        assert not {"\x1b", "\u202e", "\n"} & set(label)


def test_pairing_again_is_harmless(tmp_path: Path) -> None:
    for _ in range(2):
        here, there = asyncio.run(meet(tmp_path))
        assert isinstance(here, localpair.Session)
        assert isinstance(there, localpair.Session)
    for name in "ab":
        assert len(localpair.TrustStore(tmp_path / name).devices()) == 1


def test_pairing_again_without_a_name_keeps_the_one_that_is_known(tmp_path: Path) -> None:
    def labels() -> tuple[str, ...]:
        return tuple(localpair.TrustStore(tmp_path / name).devices()[0].label for name in "ab")

    here, there = asyncio.run(meet(tmp_path))
    assert {here.peer.label, there.peer.label, *labels()} == {general_name()}, "a kind, until there is a name"
    asyncio.run(meet(tmp_path, host_with={"name": "kitchen"}, join_with={"name": "phone"}))
    assert labels() == ("phone", "kitchen")
    here, there = asyncio.run(meet(tmp_path))
    assert labels() == ("phone", "kitchen")
    assert (here.peer.label, there.peer.label) == ("phone", "kitchen"), (
        "a screen shows the name that is known"
    )
    asyncio.run(meet(tmp_path, host_with={"name": "bakery"}))
    assert labels() == ("phone", "bakery"), "a new name replaces it"
    store = localpair.TrustStore(tmp_path / "b")
    store.rename(store.devices()[0].device_id, "my own")
    _, there = asyncio.run(meet(tmp_path, host_with={"name": "bistro"}))
    assert there.peer.label == store.devices()[0].name == "my own"


def test_no_name_stands_in_an_offer_or_a_beacon_unless_asked_for(tmp_path: Path) -> None:
    async def run() -> tuple[str, set[str]]:
        stores = [localpair.TrustStore(tmp_path / name) for name in "ab"]

        async def choose(peers: Sequence[localpair.NearbyPeer]) -> localpair.NearbyPeer | None:
            return peers[0]

        post = localpair.Settings(flow="post", timeout=15)
        pending: asyncio.Future[localpair.Offer] = asyncio.get_running_loop().create_future()
        async with (
            localpair.join(pending, post, store=stores[1], approve=agree) as joining,
            localpair.host(post, store=stores[0], approve=agree, choose=choose) as hosting,
        ):
            pending.set_result(await offered(hosting))
            await asyncio.gather(hosting.session(), joining.session())
        seen = [event for side in (hosting, joining) async for event in side.events()]
        return pending.result().label, {
            event.peer.label for event in seen if isinstance(event, localpair.PeerFound)
        }

    assert asyncio.run(run()) == ("", {""})


def test_the_time_that_pairing_took_leaves_out_waiting_and_persons(tmp_path: Path) -> None:
    waited_s = 3.0

    async def slow(_: localpair.ApprovalRequest) -> bool:
        await asyncio.sleep(waited_s)
        return True

    async def run() -> list[localpair.Paired]:
        stores = [localpair.TrustStore(tmp_path / name) for name in "ab"]
        async with localpair.host(store=stores[0], approve=slow) as hosting:
            offer = await offered(hosting)

            async def read_slowly() -> localpair.Offer:
                await asyncio.sleep(waited_s)
                return offer

            async with localpair.join(read_slowly(), store=stores[1], approve=agree) as joining:
                await asyncio.gather(hosting.session(), joining.session())
        both = [event for side in (hosting, joining) async for event in side.events()]
        return [event for event in both if isinstance(event, localpair.Paired)]

    took = [paired.elapsed_ms for paired in asyncio.run(run())]
    assert len(took) == 2
    assert all(0 < ms < waited_s * 1000 for ms in took), took


def test_nobody_comes(tmp_path: Path) -> None:
    async def run() -> None:
        settings = localpair.Settings(timeout=0.5)
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path), approve=agree) as hosting:
            await hosting.session()

    with pytest.raises(UnreachableError):
        asyncio.run(run())


def test_a_program_traces_what_it_does_without_any_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_call, by_environment = tmp_path / "call.jsonl", tmp_path / "environment.jsonl"
    content, inbox = tmp_path / "private name", tmp_path / "in"
    content.write_bytes(os.urandom(30_000))
    inbox.mkdir()
    codes: set[str] = set()
    needles = {content.read_bytes()[:16]}

    async def note(request: localpair.ApprovalRequest) -> bool:
        codes.add(request.code)
        return True

    async def run() -> None:
        stores = [localpair.TrustStore(tmp_path / name) for name in "ab"]
        settings = [localpair.Settings(timeout=30, gives=True), localpair.Settings(timeout=30, takes=True)]
        async with localpair.host(settings[0], store=stores[0], approve=note) as hosting:
            offer = await offered(hosting)
            async with localpair.join(offer, settings[1], store=stores[1], approve=note) as joining:
                here, there = await asyncio.gather(hosting.session(), joining.session())
                await asyncio.gather(here.send_files([content]), there.receive_files(inbox))
        needles.update([offer.secret, *(store.identity() for store in stores)])
        needles.update(record.pair_key for store in stores for record in store.devices())

    monkeypatch.setenv("LOCALPAIR_TRACE", str(by_environment))
    try:
        with localpair.tracing(by_call):
            asyncio.run(run())
    finally:
        TRACE.stop_following()
    assert (len(codes), len(needles)) == (1, 5), "a file, an offer, two devices and a pair"
    for path in (by_call, by_environment):
        text = path.read_text("utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        assert {line["kind"] for line in lines} >= TRACED
        assert not [form for needle in needles for form in forms(needle) if form in text]
        # A code is six digits, which a time may hold by chance.
        words = " ".join(value for line in lines for value in line.values() if isinstance(value, str))
        assert not [word for word in (*codes, content.name) if word in words]


def test_a_trace_that_cannot_be_written_fails_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with localpair.host(store=localpair.TrustStore(tmp_path)) as hosting:
            await hosting.session()

    monkeypatch.setenv("LOCALPAIR_TRACE", str(tmp_path / "none" / "trace"))
    with pytest.raises(localpair.LocalError, match="No such file"):
        asyncio.run(run())
    with pytest.raises(localpair.LocalError, match="No such file"):
        asyncio.run(localpair.acquire_addresses())


@pytest.mark.parametrize(("chosen", "works_for"), [({"timeout": 3}, 3), ({"timeout": 300}, 120), ({}, 120)])
def test_an_offer_says_for_how_long_it_works_here(
    chosen: dict[str, Any], works_for: float, tmp_path: Path
) -> None:
    async def run() -> float:
        settings = localpair.Settings(**chosen)
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path)) as hosting:
            async for event in hosting.events():
                if isinstance(event, localpair.OfferIssued):
                    return event.expires_in
        raise AssertionError("no offer came")

    assert asyncio.run(run()) == works_for


def test_leaving_early_ends_everything(tmp_path: Path) -> None:
    async def run() -> int:
        async with localpair.host(store=localpair.TrustStore(tmp_path), approve=agree) as hosting:
            await offered(hosting)
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(run()) == 0


def test_events_end_with_the_attempt(tmp_path: Path) -> None:
    async def run() -> list[localpair.Event]:
        settings = localpair.Settings(timeout=0.3)
        async with localpair.host(settings, store=localpair.TrustStore(tmp_path), approve=agree) as hosting:
            return [event async for event in hosting.events()]

    kinds = [type(event) for event in asyncio.run(run())]
    assert localpair.Ready in kinds
    assert localpair.OfferIssued in kinds


@pytest.mark.parametrize(
    "wrong", [{"flow": "both"}, {"offer_addresses": "some"}, {"port": 80}, {"timeout": 0}, {"lifetime": 1000}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(localpair.UsageError):
        localpair.Settings(**wrong)


def test_own_addresses_without_a_network() -> None:
    report = asyncio.run(localpair.acquire_addresses())
    assert report.stage is None
    assert report.candidates == ()
    assert report.attempts


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import socket

    async def run() -> None:
        store = localpair.TrustStore(tmp_path)
        async with localpair.host(localpair.Settings(port=47_001), store=store) as hosting:
            await hosting.session()

    with socket.create_server(("0.0.0.0", 47_001)), pytest.raises(localpair.LocalError, match="47001"):
        asyncio.run(run())


def test_a_port_that_is_taken_is_a_cause(tmp_path: Path) -> None:
    import socket

    async def run() -> list[Any]:
        store = localpair.TrustStore(tmp_path)
        async with localpair.host(localpair.Settings(port=47_003), store=store) as hosting:
            return [one async for one in hosting.events() if isinstance(one, Judged)]

    with socket.create_server(("0.0.0.0", 47_003)):
        (judged,) = asyncio.run(run())
    (told,) = judged.verdict.explanations
    assert (told.causes, told.confidence) == (("port-in-use",), "certain")
    assert told.sentence == "another program on this device uses TCP port 47003"
