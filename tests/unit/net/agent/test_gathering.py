"""The three stages in which a device finds its own addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from itertools import permutations

import pytest

from localpair.address import IPAddress
from localpair.candidate import Evidence, Interface, InterfaceAddress, InterfaceKind, Origin
from localpair.errors import WireError
from localpair.events import AddressAttempt, OwnAddressSeen
from localpair.limits import SELF_CALLS
from localpair.net.agent.gathering import AddressReport, CallOutcome, acquire_addresses
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.routes import NoRoute, Route, RouteAnswer
from netns import Lan, Namespace, lan


def interface(name: str, *addresses: str, index: int = 2, **more: object) -> Interface:
    held = tuple(
        InterfaceAddress(ip_address(text.partition("/")[0]), int(text.partition("/")[2]))
        for text in addresses
    )
    properties = {"kind": InterfaceKind.ETHERNET, "carrier": True, **more}
    return Interface(index=index, name=name, addresses=held, **properties)


LAN = interface("eth0", "192.168.1.20/24", gateway=True)
DOCKER = interface("docker0", "172.17.0.1/16", index=3, kind=InterfaceKind.BRIDGE)
TUNNEL = interface("tun0", "10.8.0.6/24", index=4, kind=InterfaceKind.TUNNEL, gateway=True)
LOOPBACK = interface("lo", "127.0.0.1/8", index=1, kind=InterfaceKind.LOOPBACK)


class Listener:
    """Our own listener as the stages see it: everything answers, except ``deaf`` addresses."""

    def __init__(self, *deaf: str, error: Exception | None = None) -> None:
        self.deaf = {ip_address(one) for one in deaf}
        self.error = error
        self.called: list[tuple[str, int, int]] = []
        self.at_once = 0
        self._open = 0

    async def __call__(self, address: IPAddress, scope: int, port: int) -> CallOutcome:
        self.called.append((str(address), scope, port))
        self._open += 1
        self.at_once = max(self.at_once, self._open)
        await asyncio.sleep(0)
        self._open -= 1
        if address in self.deaf:
            if self.error is not None:
                raise self.error
            return CallOutcome(False, "refused")
        return CallOutcome(True)


def preferring(*texts: str) -> Callable[[IPAddress], RouteAnswer]:
    """A routing table that prefers one address for each family given, and has no route for the other."""
    sources = {ip_address(text).version: ip_address(text) for text in texts}

    def preferred(destination: IPAddress) -> RouteAnswer:
        if destination.version in sources:
            return Route(destination, sources[destination.version])
        return NoRoute(destination, 101, "ENETUNREACH", "Network is unreachable")

    return preferred


def acquire(interfaces: Sequence[Interface], listener: Listener, **more: object) -> AddressReport:
    return asyncio.run(
        asyncio.wait_for(
            acquire_addresses(Interfaces(tuple(interfaces)), port=46821, call=listener, **more), 10
        )
    )


def tried(report: AddressReport, stage: int) -> dict[str, str]:
    return {str(one.address): one.outcome for one in report.attempts if one.stage == stage and one.address}


def reason(report: AddressReport, stage: int, address: str) -> str:
    (found,) = [one for one in report.attempts if one.stage == stage and str(one.address) == address]
    return found.reason


# --- Stage 1 ---------------------------------------------------------------------------------------------------


def test_stage_one_is_the_preferred_address_confirmed_by_a_call() -> None:
    listener = Listener()
    report = acquire((LAN, DOCKER), listener, preferred=preferring("192.168.1.20"))
    assert report.stage == 1
    assert listener.called == [("192.168.1.20", 0, 46821)]  # two destinations, one address, one call
    (attempt,) = [one for one in report.attempts if one.address]
    assert (attempt.stage, attempt.interface, attempt.outcome, attempt.cls) == (
        1,
        "eth0",
        "confirmed",
        "private",
    )
    assert attempt.evidence is Evidence.SELF_CONFIRMED
    best, docker = report.candidates
    assert (str(best.address), best.evidence, best.origin) == (
        "192.168.1.20",
        Evidence.SELF_CONFIRMED,
        Origin.STAGE_1,
    )
    assert (str(docker.address), docker.evidence, docker.origin) == (
        "172.17.0.1",
        Evidence.ASSIGNED,
        Origin.INTERFACE,
    )


def test_without_any_route_each_failure_names_its_errno() -> None:
    report = acquire((LAN,), Listener(), preferred=preferring())
    failures = [one.reason for one in report.attempts if one.stage == 1]
    assert len(failures) == 4
    assert all("ENETUNREACH" in one for one in failures)
    assert report.stage == 2


@pytest.mark.parametrize(
    ("one", "address", "why"),
    [
        (TUNNEL, "10.8.0.6", "the preferred route leads into the tunnel tun0"),
        (
            interface("ppp0", "10.9.0.2/32", point_to_point=True, kind=InterfaceKind.OTHER),
            "10.9.0.2",
            "the preferred route leads into the tunnel ppp0",
        ),
        (interface("eth1", "10.1.0.2/24", carrier=False), "10.1.0.2", "eth1 has no carrier"),
        (interface("eth1", "10.1.0.2/24", up=False), "10.1.0.2", "eth1 is down"),
        (interface("eth1", "11.1.0.2/24"), "11.1.0.2", "global address: outside the local classes"),
        (
            interface("utun8", "198.18.0.1/16", kind=InterfaceKind.TUNNEL),
            "198.18.0.1",
            "benchmarking address: outside the local classes",
        ),
        (
            Interface(5, "eth1", addresses=(InterfaceAddress(ip_address("10.1.0.2"), 24, tentative=True),)),
            "10.1.0.2",
            "duplicate address detection has not finished",
        ),
    ],
)
def test_what_disqualifies_the_preferred_address(one: Interface, address: str, why: str) -> None:
    listener = Listener()
    report = acquire((LAN, one), listener, preferred=preferring(address))
    assert reason(report, 1, address) == why
    assert tried(report, 1) == {address: "failed"}
    assert report.stage == 2
    assert ("192.168.1.20", 0, 46821) in listener.called
    assert str(report.candidates[0].address) == "192.168.1.20"


def test_an_unanswered_call_fails_the_stage_and_keeps_what_the_route_told() -> None:
    report = acquire((LAN,), Listener("192.168.1.20"), preferred=preferring("192.168.1.20"))
    assert reason(report, 1, "192.168.1.20") == "refused"
    assert tried(report, 2) == {"192.168.1.20": "failed"}
    assert report.stage is None
    (candidate,) = report.candidates  # unconfirmed, and still offered
    assert candidate.evidence is Evidence.PREFERRED_ROUTE


@pytest.mark.parametrize("text", ["198.18.5.20", "192.0.2.20", "240.1.2.20", "192.88.99.20"])
def test_a_lan_numbered_out_of_a_special_block_is_found_by_both_stages(text: str) -> None:
    """Its owner keeps clear of every employer's VPN in this way."""
    card = interface("eth0", f"{text}/24", gateway=True)
    report = acquire((card,), Listener(), preferred=preferring(text))
    assert (report.stage, tried(report, 1)) == (1, {text: "confirmed"})
    report = acquire((card,), Listener(), preferred=preferring())
    assert (report.stage, tried(report, 2)) == (2, {text: "confirmed"})
    assert [str(one.address) for one in report.candidates] == [text]


def test_both_families_are_asked() -> None:
    card = interface("eth0", "192.168.1.20/24", "fd12::9/64")
    report = acquire((card,), Listener("192.168.1.20"), preferred=preferring("192.168.1.20", "fd12::9"))
    assert tried(report, 1) == {"192.168.1.20": "failed", "fd12::9": "confirmed"}
    assert report.stage == 1


def test_where_enumeration_was_refused_the_preferred_address_is_all_there_is() -> None:
    report = acquire((), Listener(), preferred=preferring("192.168.1.20"))
    assert report.stage == 1
    (candidate,) = report.candidates
    assert (str(candidate.address), candidate.port, candidate.interface) == ("192.168.1.20", 46821, None)


def test_the_preferred_address_is_not_asked_for_by_an_address_of_an_own_subnet() -> None:
    """A container bridge or a LAN may be numbered as manuals print it: that is no way to the internet."""
    asked: list[IPAddress] = []

    def preferred(destination: IPAddress) -> RouteAnswer:
        asked.append(destination)
        return NoRoute(destination, 101, "ENETUNREACH", "Network is unreachable")

    cards = [interface("docker0", "192.0.2.1/24", "2001:db8::1/64"), interface("eth0", "198.51.100.20/24")]
    acquire(cards, Listener(), preferred=preferred)
    assert {str(one) for one in asked} == {"255.255.255.255", "203.0.113.1", "3fff::1", "2000::1"}
    cards.append(interface("eth1", "203.0.113.20/24"))
    asked.clear()
    acquire(cards, Listener(), preferred=preferred)
    assert {str(one) for one in asked} == {"255.255.255.255", "3fff::1", "2000::1"}


# --- Stage 2 ---------------------------------------------------------------------------------------------------


def test_stage_two_calls_every_local_address_and_keeps_the_others_with_their_reason() -> None:
    card = interface("eth0", "192.168.1.20/24", "11.12.13.14/24", "fe80::5/64", "100.64.0.7/10", index=7)
    listener = Listener()
    report = acquire((LOOPBACK, card, DOCKER), listener, preferred=preferring())
    assert tried(report, 2) == {
        "127.0.0.1": "dropped",
        "11.12.13.14": "dropped",
        "192.168.1.20": "confirmed",
        "100.64.0.7": "confirmed",
        "fe80::5": "confirmed",
        "172.17.0.1": "confirmed",
    }
    assert reason(report, 2, "11.12.13.14") == "global address: outside the local classes"
    assert ("fe80::5", 7, 46821) in listener.called  # with its scope
    assert [str(one.address) for one in report.candidates] == [
        "192.168.1.20", "172.17.0.1", "100.64.0.7", "11.12.13.14", "fe80::5",
    ]  # fmt: skip


def test_link_local_without_carrier_and_unfinished_addresses_are_dropped() -> None:
    idle = interface("eth1", "169.254.3.7/16", "10.1.0.1/24", carrier=False, index=8)
    fresh = Interface(9, "eth2", addresses=(InterfaceAddress(ip_address("fd12::1"), 64, tentative=True),))
    listener = Listener()
    report = acquire((idle, fresh), listener, preferred=preferring())
    assert tried(report, 2) == {"169.254.3.7": "dropped", "10.1.0.1": "confirmed", "fd12::1": "dropped"}
    assert [one[0] for one in listener.called] == ["10.1.0.1"]
    assert [str(one.address) for one in report.candidates] == ["10.1.0.1"]


def test_all_addresses_are_called_at_once() -> None:
    listener = Listener()
    cards = [interface(f"eth{number}", f"10.{number}.0.1/24", index=number + 1) for number in range(20)]
    acquire(cards, listener, preferred=preferring())
    assert listener.at_once == 20


def test_a_container_host_does_not_call_hundreds_at_once() -> None:
    listener = Listener()
    cards = [interface(f"eth{number}", f"10.{number}.0.1/24", index=number + 1) for number in range(200)]
    report = acquire(cards, listener, preferred=preferring())
    assert listener.at_once == SELF_CALLS
    assert len(listener.called) == 200
    assert report.stage == 2


def test_everything_runs_both_stages_and_calls_nothing_twice() -> None:
    listener = Listener()
    report = acquire((LAN, DOCKER), listener, preferred=preferring("192.168.1.20"), everything=True)
    assert report.stage == 1
    assert tried(report, 2) == {"192.168.1.20": "confirmed", "172.17.0.1": "confirmed"}
    assert sorted(one[0] for one in listener.called) == ["172.17.0.1", "192.168.1.20"]


def test_a_call_that_hangs_is_ended_and_the_others_are_not_delayed() -> None:
    async def call(address: IPAddress, scope: int, port: int) -> CallOutcome:
        if str(address) == "172.17.0.1":
            await asyncio.Event().wait()
        return CallOutcome(True)

    report = asyncio.run(
        asyncio.wait_for(
            acquire_addresses(
                Interfaces((LAN, DOCKER)), port=1, call=call, preferred=preferring(), call_limit_s=0.05
            ),
            10,
        )
    )
    assert tried(report, 2) == {"192.168.1.20": "confirmed", "172.17.0.1": "failed"}
    assert reason(report, 2, "172.17.0.1") == "no answer within 0.05 s"
    outcomes = [one.outcome for one in report.attempts if one.stage == 2]
    assert outcomes == ["confirmed", "failed"]  # in the order in which they ended


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no answer within 1 s"),
        (EOFError("the stream ended"), "the stream ended"),
        (WireError("an unknown message"), "an unknown message"),
    ],
)
def test_whatever_a_call_raises_is_its_failure_and_nothing_else(error: Exception, why: str) -> None:
    listener = Listener("172.17.0.1", error=error)
    report = acquire((LAN, DOCKER), listener, preferred=preferring())
    assert reason(report, 2, "172.17.0.1") == why
    assert report.stage == 2


# --- Stage 3 ---------------------------------------------------------------------------------------------------


def seeing(*views: OwnAddressSeen) -> Callable[[], object]:
    async def seen() -> Sequence[OwnAddressSeen]:
        return views

    return seen


def view(text: str, evidence: Evidence = Evidence.SEEN_OVER_UDP) -> OwnAddressSeen:
    return OwnAddressSeen(ip_address(text), evidence, by="192.168.1.10")


def test_stage_three_is_what_the_peer_sees() -> None:
    report = acquire(
        (LAN, DOCKER),
        Listener("192.168.1.20", "172.17.0.1"),
        preferred=preferring(),
        seen_by_peer=seeing(view("192.168.1.20")),
    )
    assert report.stage == 3
    assert reason(report, 3, "192.168.1.20") == "192.168.1.10 sees us there"
    assert (report.candidates[0].evidence, report.candidates[0].origin) == (
        Evidence.SEEN_OVER_UDP,
        Origin.STAGE_3,
    )


def test_stage_three_is_not_asked_where_an_earlier_one_was_enough() -> None:
    async def never() -> Sequence[OwnAddressSeen]:
        raise AssertionError("asked")

    assert acquire((LAN,), Listener(), preferred=preferring(), seen_by_peer=never).stage == 2


def test_an_address_that_a_translation_made_is_no_address_of_ours_and_comes_last() -> None:
    report = acquire(
        (LAN,), Listener("192.168.1.20"), preferred=preferring(), seen_by_peer=seeing(view("203.0.113.77"))
    )
    assert report.stage is None
    assert "something translates between us" in reason(report, 3, "203.0.113.77")
    assert [str(one.address) for one in report.candidates] == ["192.168.1.20", "203.0.113.77"]


def test_nobody_who_tells_is_a_failure_with_its_bound() -> None:
    async def silence() -> Sequence[OwnAddressSeen]:
        await asyncio.Event().wait()
        return ()

    report = acquire((), Listener(), preferred=preferring(), seen_by_peer=silence, stage_three_limit_s=0.02)
    assert report.stage is None
    assert report.attempts[-1].reason == "no peer told within 0.02 s"
    nobody = acquire((), Listener(), preferred=preferring(), seen_by_peer=seeing())
    assert nobody.attempts[-1].reason == "no peer sees us"


# --- Record ----------------------------------------------------------------------------------------------------


def test_every_try_is_told_as_it_ends_and_timed_by_the_given_clock() -> None:
    told: list[AddressAttempt] = []
    ticks = iter(range(1000))
    report = acquire(
        (LAN, LOOPBACK),
        Listener(),
        preferred=preferring("192.168.1.20"),
        everything=True,
        on_attempt=told.append,
        clock=lambda: float(next(ticks)),
    )
    assert tuple(told) == report.attempts
    called = next(one for one in told if one.stage == 1 and one.address)
    assert called.ms == 1000.0


def test_every_order_of_creation_gives_the_same_report() -> None:
    cards = (LAN, DOCKER, TUNNEL, interface("vbox0", "192.168.56.1/24", index=9))
    expected = acquire(cards, Listener(), preferred=preferring("10.8.0.6")).candidates
    for one in permutations(cards):
        assert acquire(one, Listener(), preferred=preferring("10.8.0.6")).candidates == expected


# --- In namespaces: real interfaces, real routes, real sockets, a listener on the wildcard ----------------------

PROGRAM = """
import asyncio, json, os, sys
from localpair.net.host.read import read_interfaces
from localpair.net.host.routes import socket_address
from localpair.net.agent.gathering import CallOutcome, acquire_addresses

async def serve(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()

async def call(address, scope, port):
    code = f"{os.urandom(8).hex()} {address}\\n".encode()
    host, number, *rest = socket_address(address, port, scope)
    name = f"{host}%{scope}" if scope else host
    reader, writer = await asyncio.open_connection(name, number)
    try:
        writer.write(code)
        return CallOutcome(await reader.readline() == code, "another answer")
    finally:
        writer.close()
        await writer.wait_closed()

async def main():
    servers = [await asyncio.start_server(serve, "0.0.0.0", 46821), await listen_six()]
    report = await acquire_addresses(read_interfaces(), port=46821, call=call, everything="all" in sys.argv)
    print(json.dumps({
        "stage": report.stage,
        "attempts": [[one.stage, str(one.address), one.interface, one.outcome, one.reason] for one in report.attempts],
        "candidates": [[str(one.address), one.interface, one.evidence.label] for one in report.candidates]}))

async def listen_six():
    try:
        return await asyncio.start_server(serve, "::", 46821)
    except OSError:
        return None

asyncio.run(main())
"""


def run_in(host: Namespace, *arguments: str) -> dict:
    return host.python(PROGRAM, *arguments)


def best(found: dict) -> str:
    return found["candidates"][0][0]


@pytest.mark.netns
def test_flat_lan_is_stage_one() -> None:
    with lan(1, router=True) as built:
        found = run_in(built.host(0))
        assert (found["stage"], best(found)) == (1, "192.168.1.10")
        assert found["candidates"][0][2] == "self-confirmed"


@pytest.mark.netns
def test_no_default_route_is_stage_two() -> None:
    with lan(1) as built:
        built.host(0).card("docker0", "172.17.0.1/16", carrier=False)
        found = run_in(built.host(0))
        assert (found["stage"], best(found)) == (2, "192.168.1.10")
        assert [one[0] for one in found["candidates"]] == ["192.168.1.10", "172.17.0.1"]
        assert any("ENETUNREACH" in one[4] for one in found["attempts"])


@pytest.mark.netns
@pytest.mark.parametrize("name", ["tun0", "corp0"])
def test_a_full_tunnel_fails_stage_one_and_the_lan_is_found_in_stage_two(name: str) -> None:
    with lan(1, router=True) as built:
        full_tunnel(built, name)
        found = run_in(built.host(0))
        assert found["stage"] == 2
        assert [1, "10.8.0.6", name, "failed", f"the preferred route leads into the tunnel {name}"] in found[
            "attempts"
        ]
        assert [one[0] for one in found["candidates"]] == ["192.168.1.10", "10.8.0.6"]


@pytest.mark.netns
def test_a_default_route_that_exists_only_on_a_container_bridge_still_offers_the_lan() -> None:
    with lan(1) as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16")
        host.ip("route add default via 172.17.0.2")
        found = run_in(host, "all")
        assert {one[0] for one in found["candidates"]} == {"192.168.1.10", "172.17.0.1"}


@pytest.mark.netns
def test_a_host_only_card_made_first_with_the_best_metric_ranks_behind_the_lan() -> None:
    with lan(0) as built:
        host = built.namespace("host")
        host.card("eth9", "192.168.56.1/24")
        built.attach(host, "eth0", "192.168.1.20/24")
        built.switch.ip("addr add 192.168.1.1/24 dev br0")
        host.ip("route add default via 192.168.1.1 metric 600")
        indices = {one["ifname"]: one["ifindex"] for one in host.ip_json("link")}
        assert indices["eth9"] < indices["eth0"]
        found = run_in(host, "all")
        assert [one[0] for one in found["candidates"]] == ["192.168.1.20", "192.168.56.1"]


CARDS: dict[str, Callable[[Lan, Namespace], object]] = {
    "eth0": lambda built, host: built.attach(host, "eth0", "192.168.1.20/24"),
    "docker0": lambda built, host: host.card("docker0", "172.17.0.1/16"),
    "br0": lambda built, host: host.card("br0", "192.168.122.1/24", carrier=False),
    "vbox0": lambda built, host: host.card("vbox0", "192.168.56.1/24"),
}
ORDERS = list(permutations(CARDS))


@pytest.mark.netns
@pytest.mark.parametrize("order", ORDERS, ids=["-".join(one) for one in ORDERS])
def test_every_order_of_creation_ranks_alike(order: tuple[str, ...]) -> None:
    with lan(0) as built:
        host = built.namespace("host")
        for name in order:
            CARDS[name](built, host)
        host.ip("route add default via 192.168.1.1")
        found = run_in(host, "all")
        assert [one[0] for one in found["candidates"]] == [
            "192.168.1.20", "172.17.0.1", "192.168.56.1", "192.168.122.1",
        ]  # fmt: skip


@pytest.mark.netns
def test_two_cards_on_one_subnet_are_both_offered() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        built.attach(host, "eth1", "192.168.1.21/24")
        found = run_in(host, "all")
        assert [one[:2] for one in found["candidates"]] == [
            ["192.168.1.10", "eth0"],
            ["192.168.1.21", "eth1"],
        ]


@pytest.mark.netns
def test_ipv6_link_local_alone_is_confirmed_with_its_scope() -> None:
    with lan(1, subnet=None, ipv6=True) as built:
        found = run_in(built.host(0))
        assert found["stage"] == 2
        ((address, card, evidence),) = found["candidates"]
        assert address.startswith("fe80::")
        assert (card, evidence) == ("eth0", "self-confirmed")


@pytest.mark.netns
def test_a_cable_with_link_local_ipv4_alone() -> None:
    with lan(1, subnet="169.254.0.0/16") as built:
        host = built.host(0)
        host.card("eth1", "169.254.9.9/16", carrier=False)
        found = run_in(host)
        assert [one[0] for one in found["candidates"]] == [host.address]
        assert any("has no carrier" in one[4] and one[1] == "169.254.9.9" for one in found["attempts"])


@pytest.mark.netns
def test_a_filter_on_the_loopback_device_fails_the_calls_and_drops_nothing() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        host.nft(
            "table inet f {\nchain i {\ntype filter hook input priority 0;\n"
            "iif lo tcp dport 46821 reject with tcp reset\n}\n}\n"
        )
        found = run_in(host)
        assert found["stage"] is None
        assert found["candidates"] == [["192.168.1.10", "eth0", "preferred-route"]]
        assert [1, "192.168.1.10", "eth0", "failed"] in [one[:4] for one in found["attempts"]]


@pytest.mark.netns
def test_a_closed_inbound_firewall_does_not_keep_a_call_to_oneself_out() -> None:
    """The call runs through the loopback device: it proves ownership, and nothing about reachability."""
    with lan(1, router=True) as built:
        built.host(0).firewall()
        assert run_in(built.host(0))["stage"] == 1


def full_tunnel(built: Lan, name: str) -> None:
    host, vpn = built.host(0), built.namespace("vpn")
    built.cable(host, name, vpn, "inside")
    vpn.ip("addr add 10.8.0.1/24 dev inside")
    host.ip(
        f"addr add 10.8.0.6/24 dev {name}",
        "route add 0.0.0.0/1 via 10.8.0.1",
        "route add 128.0.0.0/1 via 10.8.0.1",
    )
