"""Facts about this host's own network, read in namespaces made for the purpose, and what the kernel counted there."""

from __future__ import annotations

import json
import struct
import sys
from ipaddress import ip_address

import pytest

from localpair.causes.facts import LinkFacts, NeighbourState, RunFacts
from localpair.causes.records.codec import from_dict
from localpair.net.host.linux import rtnetlink as rt
from localpair.net.host.linux.counters import CounterReading
from netns import Namespace, lan

if not sys.platform.startswith("linux"):
    pytest.skip("Linux's own tables", allow_module_level=True)

FACTS = """
import json, socket, sys
from ipaddress import ip_address
from localpair.causes.records.codec import to_dict
from localpair.causes.facts import RunFacts, RunRole
from localpair.net.host.read import read_interfaces
from localpair.net.host.state import read_state, bridge_filter, host_system
for address in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.sendto(b"x", (address, 9))
if sys.argv[1:]:
    import time
    time.sleep(1.2)  # the kernel asks three times, a second apart; by now the entry says so
state = read_state(read_interfaces())
asked = [(ip_address(one), 0) for one in sys.argv[1:]]
print(json.dumps(to_dict(RunFacts(
    role=RunRole.JOIN, platform=host_system(), links=state.links(), neighbours=state.neighbours(),
    routes=state.routes(asked), bridge_filter=bridge_filter(),
))))
"""


def facts_of(host: Namespace, *asked: str) -> RunFacts:
    return from_dict(host.python(FACTS, *asked))


def eth0(facts: RunFacts) -> LinkFacts:
    assert facts.links is not None
    return next(one for one in facts.links if one.name == "eth0")


def entry(
    state: int, mac: bytes = b"\2\0\0\0\0\x14", address: bytes = b"\xc0\xa8\1\x14"
) -> rt.NeighbourEntry | None:
    body = struct.pack("=BxxxiHBB", 2, 3, state, 0, 1) + rt.attribute(1, address) + rt.attribute(2, mac)
    return rt.parse_neighbour_entry(body)


@pytest.mark.parametrize(
    ("state", "reachable", "resolved", "silent"),
    [(1, False, False, True), (2, True, True, False), (4, False, True, False), (0x20, False, False, True)],
)
def test_entries_of_neighbours_keep_their_state(
    state: int, reachable: bool, resolved: bool, silent: bool
) -> None:
    found = entry(state)
    assert found is not None
    assert (found.reachable, found.resolved, found.silent) == (reachable, resolved, silent)
    assert found.mac == "02:00:00:00:00:14"


def test_entries_that_are_no_neighbours_are_left_out() -> None:
    assert entry(0x40) is None  # a link that asks nobody
    assert entry(2, address=b"\xe0\0\0\1") is None
    found = entry(0x20, mac=bytes(6))
    assert found is not None
    assert found.mac is None


@pytest.mark.netns
def test_a_neighbour_that_answers_is_told_from_one_that_does_not() -> None:
    with lan(2, router=True) as network:
        facts = facts_of(network.host(0), network.host(1).address, "192.168.1.77", "192.168.1.1", "10.9.9.9")
    assert facts.routes is not None
    there, nobody, router, far = facts.routes
    assert (there.state, nobody.state) == (NeighbourState.ANSWERS, NeighbourState.SILENT)
    assert there.mac is not None
    assert nobody.mac is None
    assert far.gateway == ip_address("192.168.1.1")
    assert far.mac == router.mac
    (gateway,) = eth0(facts).gateways or ()
    assert (gateway.address, gateway.state, gateway.mac) == (far.gateway, NeighbourState.ANSWERS, far.mac)
    assert {str(one.address) for one in facts.neighbours or ()} == {network.host(1).address, "192.168.1.1"}


@pytest.mark.netns
def test_links_tell_their_hardware_and_their_filter() -> None:
    with lan(1) as network:
        host = network.host(0)
        host.sysctl(net__ipv4__conf__eth0__rp_filter=1)
        link = eth0(facts_of(host))
        (shown,) = host.ip_json("link", "show", "dev", "eth0")
    assert link.mac == shown["address"]
    assert link.reverse_path == 1
    assert link.gateways == ()
    assert (link.up, link.carrier) == (True, True)


@pytest.mark.netns
def test_no_route_is_a_fact() -> None:
    with lan(1) as network:
        facts = facts_of(network.host(0))
        code = FACTS.replace("for address in sys.argv[1:]:", "for address in []:").replace(
            "if sys.argv[1:]:", "if 0:"
        )
        far = from_dict(network.host(0).python(code, "10.9.9.9"))
    assert facts.routes == ()
    assert far.routes is not None
    assert [one.errno for one in far.routes] == ["ENETUNREACH"]


COUNTED = """
import json, socket, sys
from localpair.net.host.linux.counters import read_counters
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("0.0.0.0", 4000))
before = read_counters()
print("ready", flush=True)
sys.stdin.readline()
found = read_counters().since(before)
print(json.dumps([[one.version, one.received, one.undelivered, one.singly, one.reverse_path] for one in found or ()]))
"""


SENDS = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.bind((sys.argv[3], 0))
    for _ in range(4):
        out.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
"""


def counted(rules: str, port: int, *, strict: bool = False) -> dict[int, list[int]]:
    """What a host counts while another one sends it four datagrams."""
    with lan(2) as network:
        sender, receiver = network.host(0), network.host(1)
        sender.python(
            SENDS, receiver.address, "9", sender.address
        )  # its hardware address is known from now on
        if rules:
            receiver.nft(rules)
        source = sender.address
        if strict:
            source = "10.7.7.7"
            sender.ip(f"addr add {source}/32 dev eth0")
            receiver.card("other", "10.7.7.1/24")
            receiver.sysctl(net__ipv4__conf__eth0__rp_filter=1)
        process = receiver.popen([sys.executable, "-c", COUNTED], stdin=-1, stdout=-1, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        sender.python(SENDS, receiver.address, str(port), source)
        said, _ = process.communicate("\n")
    return {row[0]: row[1:] for row in json.loads(said)}


DROPS = "table inet f {\nchain input {\ntype filter hook input priority 0;\nudp dport 4000 drop\n}\n}\n"


@pytest.mark.netns
def test_packets_that_the_own_filter_drops_are_received_and_not_delivered() -> None:
    received, undelivered, singly, _ = counted(DROPS, 4000)[4]
    assert received >= 4
    assert undelivered == singly == 4


@pytest.mark.netns
def test_packets_that_are_taken_are_none_of_them() -> None:
    received, undelivered, singly, reverse_path = counted("", 4000)[4]
    assert received >= 4
    assert (undelivered, singly, reverse_path) == (0, 0, 0)


@pytest.mark.netns
def test_packets_to_a_closed_port_are_delivered() -> None:
    assert counted("", 4001)[4][1] == 0


@pytest.mark.netns
def test_the_reverse_path_filter_counts_its_own() -> None:
    assert counted("", 4000, strict=True)[4][3] == 4


def test_what_is_for_groups_is_left_out_unless_it_came_to_us() -> None:
    zero = dict.fromkeys(("Ip.InReceives", "Ip.InDelivers", "IpExt.InMcastPkts", "IpExt.InBcastPkts"), 0)
    more = {"Ip.InReceives": 100, "Ip.InDelivers": 80, "IpExt.InMcastPkts": 15, "IpExt.InBcastPkts": 5}
    reading = CounterReading(more)
    (none_ours,) = reading.since(CounterReading(zero)) or ()
    (ours,) = reading.since(CounterReading(zero), groups_4=20) or ()
    assert (none_ours.undelivered, none_ours.singly) == (20, 0)
    assert (ours.undelivered, ours.singly) == (20, 20)


def test_counters_that_are_not_told_are_unknown() -> None:
    assert CounterReading().since(CounterReading()) is None
    assert CounterReading({"Ip.InReceives": 1}).since(CounterReading()) is None


def test_a_counter_that_began_anew_counts_nothing() -> None:
    (found,) = CounterReading({"Ip.InReceives": 1}).since(CounterReading({"Ip.InReceives": 9})) or ()
    assert (found.received, found.undelivered) == (0, 0)
