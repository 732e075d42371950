"""What a sweep may touch: one's own on-link private subnets, by their real masks, and not too many addresses."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from ipaddress import ip_address, ip_network
from itertools import accumulate, islice

import pytest

from localpair.address import IPAddress, classify
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import (
    ATTEMPT_S,
    NEIGHBOUR_POLL_S,
    NEIGHBOUR_PROBES,
    NEIGHBOUR_PROBES_REFILL_S,
    SWEEP_ADDRESSES,
    SWEEP_STEP,
)
from localpair.net.agent.scanning import Scanner, sweep_gaps, sweep_targets
from localpair.net.host.interfaces import Interfaces, Neighbour
from localpair.net.host.neighbours import NeighbourWatch
from localpair.net.host.routes import NoRoute
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import Transmit
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Part


def one(text: str, **more: object) -> Interface:
    address, _, prefix = text.partition("/")
    details = InterfaceAddress(ip_address(address), int(prefix))
    return Interface(2, "eth0", InterfaceKind.ETHERNET, addresses=(details,), carrier=True, **more)  # type: ignore[arg-type]


def swept(*interfaces: Interface) -> list[str]:
    return [str(address) for address, _ in sweep_targets(Interfaces(interfaces))]


@pytest.mark.parametrize(
    "text",
    [
        "192.168.1.20/24",
        "172.20.10.2/28",
        "10.1.2.129/25",
        "192.168.1.1/30",
        "10.0.0.254/24",
        "198.18.5.20/24",
        "192.0.2.20/28",
        "240.1.2.20/24",
    ],
)
def test_the_real_mask_is_swept_and_nothing_beyond_it(text: str) -> None:
    network = ip_network(text, strict=False)
    own = ip_address(text.partition("/")[0])
    assert sorted(swept(one(text)), key=ip_address) == [str(host) for host in network.hosts() if host != own]


def test_a_large_subnet_is_swept_around_our_own_address() -> None:
    found = [ip_address(text) for text in swept(one("10.89.169.124/16"))]
    assert len(found) == len(set(found)) == SWEEP_ADDRESSES
    assert {int(address) - int(ip_address("10.89.169.124")) for address in found[:4]} == {1, -1, 2, -2}
    assert all(address in ip_network("10.89.0.0/16") for address in found)


@pytest.mark.parametrize("text", ["192.168.0.5/8", "172.16.0.5/8", "10.0.0.5/7", "203.0.113.250/1"])
def test_a_mask_that_is_wider_than_our_block_has_nobody_elses_numbers_swept(text: str) -> None:
    own = ip_address(text.partition("/")[0])
    found = [ip_address(address) for address in swept(one(text))]
    assert found
    assert {classify(address) for address in found} == {classify(own)}


def test_the_limit_holds_over_all_interfaces() -> None:
    both = [one("10.1.0.1/20"), one("10.2.0.1/20")]
    assert len(swept(*both)) == SWEEP_ADDRESSES


def test_several_own_addresses_in_one_subnet_use_up_no_more_than_one() -> None:
    held = [InterfaceAddress(ip_address(f"10.1.0.{last}"), 16) for last in (158, 192, 246)]
    card = Interface(2, "eth0", InterfaceKind.ETHERNET, addresses=tuple(held), carrier=True)
    found = swept(card)
    assert len(set(found)) == len(found) == SWEEP_ADDRESSES


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8/24",
        "100.64.0.1/24",
        "127.0.0.1/8",
        "10.0.0.1/0",
        "fd00::1/120",
        "10.0.0.1/32",
        "10.0.0.0/31",
    ],
)
def test_public_overlay_and_single_addresses_are_not_swept(text: str) -> None:
    assert swept(one(text)) == []


def test_container_bridges_come_last_and_a_large_subnet_leaves_room_for_the_others() -> None:
    def link(name: str, kind: InterfaceKind, text: str) -> Interface:
        address, _, prefix = text.partition("/")
        details = InterfaceAddress(ip_address(address), int(prefix))
        return Interface(ord(name[0]), name, kind, addresses=(details,), carrier=True)

    bridge = link("a-docker0", InterfaceKind.BRIDGE, "172.17.0.1/16")
    large = link("b-eth0", InterfaceKind.ETHERNET, "10.0.0.1/16")
    small = link("c-eth1", InterfaceKind.ETHERNET, "192.168.1.20/24")
    found = swept(bridge, large, small)
    assert found[:2] == ["192.168.1.21", "192.168.1.19"], "the small one is done in a quarter of a second"
    assert {text.rpartition(".")[0] for text in found[:253]} == {"192.168.1"}
    assert found[253:255] == ["10.0.0.2", "10.0.0.3"]
    assert len(found) == SWEEP_ADDRESSES
    many = [link(f"{name}-eth", InterfaceKind.ETHERNET, f"192.168.{ord(name)}.1/24") for name in "defgh"]
    found = swept(large, *many)
    assert len({text.rpartition(".")[0] for text in found[:506]}) == 2, "two small ones are done first"
    assert sum(text.startswith("10.") for text in found) > 80, "many small ones leave room for a large one"
    assert found.index("10.0.0.2") < 520
    assert len(swept(bridge, small)) == SWEEP_ADDRESSES
    assert all(text.startswith("192.168.1.") for text in swept(bridge, small)[:253])


def test_tunnels_and_dead_links_are_not_swept() -> None:
    for more in ({"point_to_point": True}, {"up": False}):
        assert swept(one("10.8.0.6/24", **more)) == []
    tunnel = Interface(
        3, "tun0", InterfaceKind.TUNNEL, addresses=(InterfaceAddress(ip_address("10.8.0.6"), 24),)
    )
    unplugged = Interface(
        4,
        "eth1",
        InterfaceKind.ETHERNET,
        carrier=False,
        addresses=(InterfaceAddress(ip_address("10.9.0.6"), 24),),
    )
    assert swept(tunnel, unplugged) == []


def test_who_joins_sweeps_twice_and_who_hosts_for_as_long_as_it_waits() -> None:
    assert list(accumulate(sweep_gaps(Part.JOIN))) == [0.25, 8.0]
    assert list(accumulate(sweep_gaps(Part.SEND, aimed=True))) == [0.5, 8.0]
    waiting = list(islice(sweep_gaps(Part.HOST), 9))
    assert list(accumulate(waiting[:4])) == [0.4, 8.0, 26.0, 44.0]
    assert max(waiting) < ATTEMPT_S - 1.0, "a joiner that starts after one sweep is there for the next one"
    assert not list(sweep_gaps(Part.LISTEN))


# --- neighbours ------------------------------------------------------------------------------------------------


class Lan:
    """What a scanner asks of its announcer, on one interface, with a neighbour table to fill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
        secret = SharedSecret(b"0123456789abcdef", Purpose.OFFER, Role.ISSUER)
        me = Self(part, bytes(16), bytes(32), 46820, 46820)
        self.discovery = Discovery(me, Keyring([(OFFER, secret)]), 0.0)
        self.interfaces = Interfaces((one("192.168.1.1/24"),))
        self.table: list[Neighbour] = []
        self.time = 0.0
        monkeypatch.setattr("localpair.net.agent.scanning.neighbours", lambda: tuple(self.table))

    def now(self) -> float:
        return self.time

    def flush(self) -> list[Transmit]:
        return []

    def add(self, first: str, count: int = 1) -> None:
        self.table += [Neighbour(2, ip_address(first) + number) for number in range(count)]

    def asked(self, scanner: Scanner, seconds: float) -> list[str]:
        """Where probes went in that time, in their order."""
        end = self.time + seconds
        while self.time < end:
            scanner.ask_neighbours()
            self.time += NEIGHBOUR_POLL_S
        return [str(what.address) for what in self.discovery.take_transmits() if what.direct]


@pytest.mark.parametrize("part", [Part.JOIN, Part.HOST])
def test_forged_neighbours_have_no_more_sent_than_is_allowed(
    monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    lan = Lan(monkeypatch, part)
    scanner = Scanner(lan, 46820, part)  # type: ignore[arg-type]  # an announcer's part of it
    lan.add("10.0.0.1", 3_000)
    sent = lan.asked(scanner, 60.0)
    allowed = NEIGHBOUR_PROBES + 60.0 / NEIGHBOUR_PROBES_REFILL_S
    assert allowed * 0.9 < len(sent) <= allowed + 1
    assert max(Counter(sent).values()) <= 7


def test_whoever_is_new_is_asked_before_all_others_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lan = Lan(monkeypatch, Part.HOST)
    scanner = Scanner(lan, 46820, Part.HOST)  # type: ignore[arg-type]  # an announcer's part of it
    lan.add("192.168.1.2", 250)
    lan.add("10.0.0.1", 500)
    lan.asked(scanner, 20.0)
    lan.add("192.168.1.253")
    assert lan.asked(scanner, NEIGHBOUR_POLL_S)[0] == "192.168.1.253"


def test_where_more_neighbours_are_than_may_be_asked_each_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lan = Lan(monkeypatch, Part.HOST)
    scanner = Scanner(lan, 46820, Part.HOST)  # type: ignore[arg-type]  # an announcer's part of it
    lan.add("192.168.1.2", 100)
    lan.asked(scanner, 20.0)
    later = Counter(lan.asked(scanner, 10.0))
    assert sum(later.values()) == pytest.approx(10.0 / NEIGHBOUR_PROBES_REFILL_S, abs=10)
    assert len(later) == 100
    assert max(later.values()) - min(later.values()) <= 1


def test_few_neighbours_are_asked_within_half_a_second_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so a joiner whose firewall lets out nothing but answers is found, whenever it starts."""
    lan = Lan(monkeypatch, Part.HOST)
    scanner = Scanner(lan, 46820, Part.HOST)  # type: ignore[arg-type]  # an announcer's part of it
    lan.add("192.168.1.2", 10)
    lan.asked(scanner, 10.0)
    for _ in range(20):
        assert len(set(lan.asked(scanner, 0.5))) == 10


class Telling(NeighbourWatch):
    """A neighbour table that changes while a sweep is under way: ``lan`` gets a neighbour at the third step."""

    def __init__(self, lan: Lan) -> None:
        super().__init__()
        self.lan, self.steps = lan, 0

    def take(self) -> bool:
        self.steps += 1
        if self.steps == 3:
            self.lan.add("10.9.9.9")
        return self.steps == 3


def test_whoever_appears_while_a_sweep_is_under_way_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lan = Lan(monkeypatch, Part.JOIN)
    lan.interfaces = Interfaces((one("192.168.1.1/22"),))
    sent: list[str] = []
    swept = asyncio.Event()

    def send(_: object = ()) -> list[Transmit]:
        sent.extend(str(what.address) for what in lan.discovery.take_transmits() if what.direct)
        if len(sent) > SWEEP_ADDRESSES - 10:
            swept.set()
        return []

    monkeypatch.setattr("localpair.net.agent.scanning.NeighbourWatch", lambda: Telling(lan))
    monkeypatch.setattr(Lan, "now", lambda _: time.monotonic())
    for name, method in (("flush", send), ("send", send), ("has_room", lambda: True)):
        monkeypatch.setattr(lan, name, method, raising=False)
    scanner = Scanner(lan, 46820, Part.JOIN)  # type: ignore[arg-type]  # an announcer's part of it

    async def search() -> None:
        async with asyncio.timeout(30):
            running = asyncio.create_task(scanner.run())
            await swept.wait()
            running.cancel()

    asyncio.run(search())
    assert sent.index("10.9.9.9") <= 4 * SWEEP_STEP


def test_routes_are_asked_for_no_more_often_than_somebody_may_be_probed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lan = Lan(monkeypatch, Part.JOIN)
    looked: list[IPAddress] = []

    def route(address: IPAddress, interfaces: Interfaces) -> NoRoute:
        looked.append(address)
        return NoRoute(address, 101, "ENETUNREACH", "Network is unreachable")

    monkeypatch.setattr("localpair.net.agent.scanning.route_to", route)
    scanner = Scanner(lan, 46820, Part.JOIN)  # type: ignore[arg-type]  # an announcer's part of it
    lan.add("fd12::1", 10)
    lan.add("192.168.1.1")
    assert lan.asked(scanner, 10.0) == []
    assert len(looked) == 10 * 10, "once a second each"
