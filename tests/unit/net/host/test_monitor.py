"""Changes of the network are noticed, bursts are one change, and what does not matter is no change."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from subprocess import PIPE

import pytest

from localpair.candidate import Interface, InterfaceAddress
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.monitor import InterfaceWatch, significant
from netns import Namespace, lan

CARD = Interface(2, "eth0", carrier=True, addresses=(InterfaceAddress(ip_address("192.168.1.10"), 24),))
MOVED = replace(CARD, addresses=(InterfaceAddress(ip_address("192.168.1.77"), 24),))


@pytest.mark.parametrize(
    "changed",
    [
        MOVED,
        replace(CARD, index=9),  # deleted and made again under the same name
        replace(CARD, up=False),
        replace(CARD, carrier=False),
        replace(CARD, multicast=False),
        replace(CARD, gateway=True),
        replace(CARD, addresses=(replace(CARD.addresses[0], tentative=True),)),
        replace(CARD, addresses=(replace(CARD.addresses[0], prefix=16),)),
        replace(CARD, addresses=()),
    ],
)
def test_what_matters(changed: Interface) -> None:
    assert significant(Interfaces((CARD,))) != significant(Interfaces((changed,)))


@pytest.mark.parametrize("changed", [replace(CARD, neighbours=7), replace(CARD, mtu=1400)])
def test_what_does_not_matter(changed: Interface) -> None:
    assert significant(Interfaces((CARD,))) == significant(Interfaces((changed,)))


def test_a_card_without_address_does_not_matter() -> None:
    idle = Interface(7, "veth3f2a", carrier=True)
    assert significant(Interfaces((CARD,))) == significant(Interfaces((CARD, idle)))


def test_the_order_of_addresses_does_not_matter() -> None:
    second = InterfaceAddress(ip_address("10.0.0.1"), 8)
    one, other = (
        replace(CARD, addresses=both) for both in ((*CARD.addresses, second), (second, *CARD.addresses))
    )
    assert significant(Interfaces((one,))) == significant(Interfaces((other,)))


class Script:
    """Snapshots one after the other; the last one stays."""

    def __init__(self, *snapshots: Interface) -> None:
        self.snapshots = [Interfaces((one,)) for one in snapshots]
        self.reads = 0

    def __call__(self) -> Interfaces:
        self.reads += 1
        return self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]


def test_polling_yields_only_what_changed() -> None:
    script = Script(CARD, CARD, replace(CARD, neighbours=3), MOVED, MOVED, CARD)

    async def watch() -> list[Interface]:
        found = []
        async with InterfaceWatch(script, poll_s=0.001, polling=True) as watched:
            assert not watched.told
            assert watched.current.interfaces == (CARD,)
            async for interfaces in watched:
                assert interfaces is watched.current
                found.extend(interfaces.interfaces)
                if len(found) == 2:
                    break
        return found

    assert asyncio.run(watch()) == [MOVED, CARD]
    assert script.reads == 6


def test_closing_ends_the_iteration() -> None:
    async def watch() -> int:
        async with InterfaceWatch(Script(CARD), poll_s=60, polling=True) as watched:
            asyncio.get_running_loop().call_soon(watched.close)
            return len([one async for one in watched])

    assert asyncio.run(asyncio.wait_for(watch(), 5)) == 0


def test_cancelling_is_immediate_and_leaves_nothing_open() -> None:
    async def watch() -> None:
        async with InterfaceWatch(poll_s=60) as watched:
            task = asyncio.create_task(anext(watched))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            watched.close()
            assert not watched.told

    asyncio.run(asyncio.wait_for(watch(), 5))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_where_notices_are_refused_it_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    from localpair.net.host.linux import netlink

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(netlink, "open_changes", refuse)

    async def watch() -> Interfaces:
        async with InterfaceWatch(Script(CARD, MOVED), poll_s=0.001) as watched:
            assert not watched.told
            return await anext(watched)

    assert asyncio.run(watch()).interfaces == (MOVED,)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_a_loop_without_readers_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the proactor loop of Windows."""

    async def watch() -> Interfaces:
        def refuse(*_: object) -> None:
            raise NotImplementedError

        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
        async with InterfaceWatch(Script(CARD, MOVED), poll_s=0.001) as watched:
            return await anext(watched)

    assert asyncio.run(watch()).interfaces == (MOVED,)


# --- In namespaces: a process that reports every snapshot as one line -------------------------------------------

REPORT = """
import asyncio, json
from localpair.net.host.read import read_interfaces
from localpair.net.host.monitor import InterfaceWatch

def read():
    print(json.dumps({"read": True}), flush=True)
    return read_interfaces()

def tell(interfaces, told):
    cards = {one.name: {
        "index": one.index, "carrier": one.carrier, "up": one.up, "gateway": one.gateway,
        "addresses": {str(a.address): a.tentative for a in one.addresses}} for one in interfaces.interfaces}
    print(json.dumps({"told": told, "cards": cards}), flush=True)

async def main():
    async with InterfaceWatch(read) as watch:
        tell(watch.current, watch.told)
        async for interfaces in watch:
            tell(interfaces, watch.told)

asyncio.run(main())
"""


class Watcher:
    """The reports of a watching process in ``host``."""

    def __init__(self, host: Namespace) -> None:
        self.process = host.popen([sys.executable, "-c", REPORT], stdout=PIPE, text=True)
        self.first = self.report()

    def line(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def report(self) -> dict[str, dict]:
        while "read" in (line := self.line()):
            pass
        assert line["told"]
        return line["cards"]

    def until(self, holds: Callable[[dict[str, dict]], bool], limit: int = 8) -> dict[str, dict]:
        """The first report, of at most ``limit``, for which ``holds`` is true; the test's time limit bounds it."""
        for _ in range(limit):
            cards = self.report()
            if holds(cards):
                return cards
        raise AssertionError(f"not reported: {cards}")


@pytest.mark.netns
def test_an_address_that_moves_is_one_report() -> None:
    with lan(1) as built:
        host = built.host(0)
        watcher = Watcher(host)
        host.ip("addr del 192.168.1.10/24 dev eth0", "addr add 192.168.1.77/24 dev eth0")
        assert set(watcher.report()["eth0"]["addresses"]) == {"192.168.1.77"}


@pytest.mark.netns
def test_a_card_that_comes_late_is_reported() -> None:
    with lan(1) as built:
        late = built.namespace("late")
        watcher = Watcher(late)
        assert set(watcher.first) == {"lo"}
        built.attach(late, "eth0", "192.168.1.20/24")
        found = watcher.until(lambda cards: "eth0" in cards and bool(cards["eth0"]["addresses"]))
        assert found["eth0"]["carrier"] is True


@pytest.mark.netns
def test_a_card_deleted_and_made_again_is_reported_although_all_its_names_are_the_same() -> None:
    with lan(1) as built:
        host = built.host(0)
        watcher = Watcher(host)
        before = watcher.first["eth0"]
        host.ip("link del eth0")
        built.attach(host, "eth0", "192.168.1.10/24")
        after = watcher.until(
            lambda cards: "192.168.1.10" in cards.get("eth0", {"addresses": {}})["addresses"]
        )
        assert after["eth0"]["index"] != before["index"]


@pytest.mark.netns
def test_a_card_made_again_with_even_its_index_is_reported() -> None:
    """Groups are gone with the old device, and nothing else shows that there is a new one."""
    again = (
        "link del eth9",
        "link add eth9 index 99 type bridge",
        "addr add 10.9.0.1/16 dev eth9",
        "link set eth9 up",
    )
    with lan(1) as built:
        host = built.host(0)
        host.ip(*again[1:])
        watcher = Watcher(host)
        host.ip(*again)
        after = watcher.until(lambda cards: "10.9.0.1" in cards.get("eth9", {"addresses": {}})["addresses"])
        assert after["eth9"]["index"] == watcher.first["eth9"]["index"] == 99


@pytest.mark.netns
def test_a_pulled_cable_and_a_new_default_route_are_reported() -> None:
    with lan(1) as built:
        host = built.host(0)
        watcher = Watcher(host)
        host.ip("route add default via 192.168.1.1")
        assert watcher.report()["eth0"]["gateway"] is True
        built.switch.ip(f"link set {host.port} down")
        assert watcher.until(lambda cards: not cards["eth0"]["carrier"])["eth0"]["up"] is True


@pytest.mark.netns
def test_the_end_of_duplicate_detection_is_reported() -> None:
    with lan(1, ipv6="fd12::/64", dad=True) as built:
        host = built.host(0)
        watcher = Watcher(host)
        host.ip("addr add fd12::77/64 dev eth0")
        assert watcher.until(lambda cards: cards["eth0"]["addresses"].get("fd12::77") is False)


@pytest.mark.netns
def test_cards_without_address_and_other_routes_are_not_reported() -> None:
    with lan(1) as built:
        host = built.host(0)
        watcher = Watcher(host)
        host.card("idle0")
        host.ip(
            "neigh add 192.168.1.5 lladdr 02:00:00:00:00:05 dev eth0 nud reachable",
            "route add 10.77.0.0/16 via 192.168.1.1",
            "link set eth0 mtu 1400",
        )
        assert "read" in watcher.line()  # noticed, read, and found to be nothing new
        host.ip("addr add 192.168.1.78/24 dev eth0")
        assert set(watcher.report()["eth0"]["addresses"]) == {"192.168.1.10", "192.168.1.78"}
