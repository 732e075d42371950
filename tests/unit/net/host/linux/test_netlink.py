"""The routing socket: messages as bytes, and what it tells about namespaces made for the purpose."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.candidate import InterfaceKind
from localpair.net.host.linux import rtnetlink as rt
from netns import Lan, Network, lan, why_no_namespaces

if not sys.platform.startswith("linux"):
    pytest.skip("Linux's own socket", allow_module_level=True)

from localpair.net.host.linux import netlink

READ = """
import json
from localpair.net.host.linux import netlink
found = netlink.read()
print(json.dumps([
    [one.name, one.index, one.kind, one.up, one.carrier, one.multicast, one.point_to_point, one.gateway,
     one.neighbours, [[str(a.address), a.prefix, a.tentative, a.deprecated, a.temporary, str(a.peer)]
                      for a in one.addresses]]
    for one in found.interfaces]))
"""
FIELDS = (
    "name",
    "index",
    "kind",
    "up",
    "carrier",
    "multicast",
    "point_to_point",
    "gateway",
    "neighbours",
    "addresses",
)


def read_in(host) -> dict[str, dict[str, object]]:
    return {entry[0]: dict(zip(FIELDS, entry, strict=True)) for entry in host.python(READ)}


# --- Messages --------------------------------------------------------------------------------------------------


def link_body(
    *, index: int = 3, flags: int = 0x11043, hardware: int = 1, family: int = 0, **found: bytes
) -> bytes:
    kinds = {"name": 3, "mtu": 4, "state": 16, "info": 18, "carrier": 33}
    attributes = b"".join(rt.attribute(kinds[name], value) for name, value in found.items())
    return struct.pack("=BxHiII", family, hardware, index, flags, 0) + attributes


def kind_info(name: bytes) -> bytes:
    return rt.attribute(1, name + b"\0")


@pytest.mark.parametrize(
    ("name", "info", "hardware", "kind"),
    [
        (b"eth0", b"", 1, InterfaceKind.ETHERNET),
        (b"wlp3s0", b"", 1, InterfaceKind.WIRELESS),
        (b"docker0", kind_info(b"bridge"), 1, InterfaceKind.BRIDGE),
        (b"eth0", kind_info(b"veth"), 1, InterfaceKind.VETH),
        (b"tun0", kind_info(b"veth"), 1, InterfaceKind.TUNNEL),  # only the name tells
        (b"wg0", kind_info(b"wireguard"), 0xFFFE, InterfaceKind.TUNNEL),
        (b"office", kind_info(b"tun"), 1, InterfaceKind.TUNNEL),
        (b"ppp0", b"", 512, InterfaceKind.TUNNEL),
        (b"eth0.7", kind_info(b"vlan"), 1, InterfaceKind.ETHERNET),
        (b"bond0", kind_info(b"bond"), 1, InterfaceKind.ETHERNET),
        (b"dummy0", kind_info(b"dummy"), 1, InterfaceKind.OTHER),
        (b"can0", b"", 280, InterfaceKind.OTHER),
    ],
)
def test_the_kind_of_a_link(name: bytes, info: bytes, hardware: int, kind: InterfaceKind) -> None:
    link = rt.parse_link(link_body(name=name + b"\0", info=info, hardware=hardware))
    assert link is not None
    assert link.kind is kind


def test_a_link_without_carrier_or_dormant_has_none() -> None:
    def carrier(**more: bytes) -> bool:
        link = rt.parse_link(link_body(name=b"eth0\0", **more))
        assert link is not None
        return link.carrier

    assert carrier(carrier=b"\1", state=b"\6")
    assert carrier(carrier=b"\1", state=b"\0")  # unknown: many drivers do not tell
    assert not carrier(carrier=b"\0", state=b"\2")
    assert not carrier(carrier=b"\1", state=b"\5")  # dormant: a wireless card that is not associated


def test_a_bridges_port_message_is_about_no_link() -> None:
    assert rt.parse_link(link_body(family=7, name=b"eth0\0")) is None


def test_a_name_that_is_no_text_does_no_harm() -> None:
    link = rt.parse_link(link_body(name=b"eth\xff\0"))
    assert link is not None
    assert link.name == "eth\ufffd"


def address_body(family: int, prefix: int, flags: int, *attributes: bytes) -> bytes:
    return struct.pack("=BBBBI", family, prefix, flags, 0, 4) + b"".join(attributes)


def test_a_point_to_point_address_has_a_far_end() -> None:
    own, far = ip_address("10.99.0.1"), ip_address("10.99.0.2")
    index, details = rt.parse_address(
        address_body(2, 32, 0x80, rt.attribute(1, far.packed), rt.attribute(2, own.packed))
    ) or pytest.fail("nothing read")
    assert (index, details.address, details.peer) == (4, own, far)


@pytest.mark.parametrize(
    ("flags", "tentative", "deprecated", "temporary"),
    [
        (0x80, False, False, False),
        (0x40, True, False, False),
        (0x44, False, False, False),  # optimistic: usable while it is still being checked
        (0xC8, True, False, False),  # another host has it
        (0x21, False, True, True),
        (0x01, False, False, True),
    ],
)
def test_the_state_of_an_ipv6_address(flags: int, tentative: bool, deprecated: bool, temporary: bool) -> None:
    raw = ip_address("fd12::1").packed
    wide = rt.attribute(8, struct.pack("=I", flags))
    _, details = rt.parse_address(address_body(10, 64, 0, rt.attribute(1, raw), wide)) or pytest.fail(
        "nothing"
    )
    assert (details.tentative, details.deprecated, details.temporary) == (tentative, deprecated, temporary)


def test_a_secondary_ipv4_address_is_not_temporary() -> None:
    raw = ip_address("192.168.1.21").packed
    _, details = rt.parse_address(address_body(2, 24, 0x01, rt.attribute(2, raw))) or pytest.fail("nothing")
    assert not details.temporary


def route_body(bits: int, *attributes: bytes, flags: int = 0, table: int = 254, kind: int = 1) -> bytes:
    return struct.pack("=BBBBBBBBI", 2, bits, 0, 0, table, 0, 0, kind, flags) + b"".join(attributes)


def out(index: int) -> bytes:
    return rt.attribute(4, struct.pack("=I", index))


def test_default_routes_in_every_table_but_the_local_one() -> None:
    def default(body: bytes) -> bool:
        route = rt.parse_route(body)
        assert route is not None
        return rt.is_default(route)

    assert default(route_body(0, out(2)))
    assert default(route_body(0, out(2), table=52))
    assert not default(route_body(0, out(2), table=255))
    assert not default(route_body(24, out(2)))
    assert not default(route_body(0, out(2), kind=7))  # "unreachable" leads nowhere


def test_a_route_whose_link_is_down_has_no_interface() -> None:
    dead = rt.parse_route(route_body(0, out(2), flags=0x10))
    assert dead is not None
    assert dead.indices == ()


def test_a_route_with_several_next_hops_names_the_living_ones() -> None:
    hops = (
        struct.pack("=HBBi", 8, 0, 0, 5) + struct.pack("=HBBi", 8, 1, 0, 6) + struct.pack("=HBBi", 8, 0, 0, 7)
    )
    route = rt.parse_route(route_body(0, rt.attribute(9, hops)))
    assert route is not None
    assert route.indices == (5, 7)


def test_an_ipv4_route_over_an_ipv6_gateway() -> None:
    via = struct.pack("=H", 10) + ip_address("fe80::1").packed
    route = rt.parse_route(route_body(0, out(2), rt.attribute(18, via)))
    assert route is not None
    assert route.gateway == ip_address("fe80::1")


PARSERS = (rt.parse_link, rt.parse_address, rt.parse_route, rt.parse_neighbour, rt.error_number)


@given(st.binary(max_size=200))
def test_garbage_gives_a_value_or_a_value_error(data: bytes) -> None:
    list(rt.messages(data))
    rt.attributes(data)
    for parse in PARSERS:
        try:
            parse(data)
        except ValueError:
            pass


@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=12))
def test_messages_are_taken_apart_where_they_were_joined(bodies: list[bytes], tail: bytes) -> None:
    joined = b"".join(
        request + bytes(-len(request) % 4)
        for request in (rt.request(16, number, body) for number, body in enumerate(bodies))
    )
    found = list(rt.messages(joined + tail[:11]))
    assert [(one.sequence, one.body) for one in found[: len(bodies)]] == list(enumerate(bodies))


# --- The socket ------------------------------------------------------------------------------------------------


class FakeSocket:
    """Answers every request with what it was given; ``%`` in a header's place takes the request's sequence."""

    def __init__(self, *datagrams: tuple[bytes, int]) -> None:
        self.datagrams = list(datagrams)
        self.sequence = 0

    def settimeout(self, limit: float) -> None: ...
    def bind(self, address: tuple[int, int]) -> None: ...
    def close(self) -> None: ...

    def send(self, data: bytes) -> int:
        self.sequence = next(rt.messages(data)).sequence
        return len(data)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        data, sender = self.datagrams.pop(0)
        return data.replace(b"SEQ!", struct.pack("=I", self.sequence)), (sender, 0)


def told(kind: int, body: bytes, *, flags: int = 2) -> bytes:
    data = struct.pack("=IHH4sI", 16 + len(body), kind, flags, b"SEQ!", 0) + body
    return data + bytes(-len(data) % 4)


DONE = told(rt.DONE, bytes(4))


def answered(monkeypatch: pytest.MonkeyPatch, *datagrams: tuple[bytes, int]) -> None:
    fake = FakeSocket(*datagrams)
    monkeypatch.setattr(netlink.socket, "socket", lambda *_: fake)


def test_one_message_that_cannot_be_read_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    good = told(rt.NEW_LINK, link_body(index=3, name=b"eth0\0"))
    bad = told(rt.NEW_LINK, b"\0\0\0")
    answered(monkeypatch, (bad + good + DONE, 0), (DONE, 0), (DONE, 0), (DONE, 0))
    found = netlink.read()
    assert [one.name for one in found.interfaces] == ["eth0"]
    assert [one.name for one in found.skipped] == ["links"]


def test_tables_that_are_refused_leave_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    link = told(rt.NEW_LINK, link_body(index=3, name=b"eth0\0"))
    raw = ip_address("10.0.0.1").packed
    held = told(rt.NEW_ADDRESS, struct.pack("=BBBBI", 2, 8, 0, 0, 3) + rt.attribute(2, raw))
    refused = told(rt.ERROR, struct.pack("=i", -13))
    answered(monkeypatch, (link + DONE, 0), (held + DONE, 0), (refused, 0), (refused, 0))
    found = netlink.read()
    assert found.own_addresses == {ip_address("10.0.0.1")}
    assert [(one.name, one.reason) for one in found.skipped] == [
        ("neighbours", "Permission denied"),
        ("routes", "Permission denied"),
    ]


def test_other_processes_are_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = told(rt.NEW_LINK, link_body(index=9, name=b"evil0\0"))
    link = told(rt.NEW_LINK, link_body(index=3, name=b"eth0\0"))
    answered(monkeypatch, (forged, 4711), (link + DONE, 0), (DONE, 0), (DONE, 0), (DONE, 0))
    assert [one.name for one in netlink.read().interfaces] == ["eth0"]


def test_a_table_that_changed_while_it_was_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stale = told(rt.NEW_LINK, link_body(index=3, name=b"old0\0"), flags=2 | rt.DUMP_INTERRUPTED)
    link = told(rt.NEW_LINK, link_body(index=4, name=b"eth0\0"))
    answered(monkeypatch, (stale + DONE, 0), (link + DONE, 0), (DONE, 0), (DONE, 0), (DONE, 0))
    assert [one.name for one in netlink.read().interfaces] == ["eth0"]


def test_every_socket_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []

    def record(*arguments: int) -> socket.socket:
        opened.append(original(*arguments))
        return opened[-1]

    original = socket.socket
    monkeypatch.setattr(netlink.socket, "socket", record)
    netlink.read()
    netlink.read_neighbours()
    netlink.route_to(ip_address("127.0.0.1"))
    assert len(opened) == 3
    assert all(one.fileno() == -1 for one in opened)


# --- In namespaces ---------------------------------------------------------------------------------------------


@pytest.mark.netns
def test_it_says_what_ip_says() -> None:
    with lan(1, ipv6="fd12::/64", router=True) as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16")
        host.ip("addr add 192.168.1.99/24 dev eth0", "link set docker0 mtu 1400")
        found = read_in(host)
        for link in host.ip_json("address"):
            mine = found[link["ifname"]]
            assert mine["index"] == link["ifindex"]
            assert mine["up"] == ("UP" in link["flags"])
            assert mine["multicast"] == ("MULTICAST" in link["flags"])
            told = {(one["local"], one["prefixlen"]) for one in link["addr_info"]}
            assert {(one[0], one[1]) for one in mine["addresses"]} == told
        assert set(found) == {"lo", "eth0", "docker0"}


@pytest.mark.netns
def test_kinds_carrier_gateway_and_neighbours() -> None:
    with lan(2, router=True) as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16", carrier=False)
        host.ip("neigh add 192.168.1.77 lladdr 02:00:00:00:00:77 dev eth0 nud reachable")
        found = read_in(host)
        assert (found["eth0"]["kind"], found["eth0"]["carrier"], found["eth0"]["gateway"]) == (
            "veth",
            True,
            True,
        )
        assert found["eth0"]["neighbours"] == 1
        docker = found["docker0"]
        assert (docker["kind"], docker["up"], docker["carrier"], docker["gateway"]) == (
            "bridge",
            True,
            False,
            False,
        )
        assert (found["lo"]["kind"], found["lo"]["gateway"]) == ("loopback", False)


@pytest.mark.netns
def test_neighbours_that_answered_are_named_and_others_are_not() -> None:
    code = """
import json
from localpair.net.host.read import neighbours
print(json.dumps([str(one.address) for one in neighbours()]))
"""
    with lan(1) as built:
        host = built.host(0)
        host.ip(
            "neigh add 192.168.1.77 lladdr 02:00:00:00:00:77 dev eth0 nud stale",
            "neigh add 192.168.1.5 lladdr 02:00:00:00:00:05 dev eth0 nud permanent",
            "neigh add 192.168.1.66 dev eth0 nud failed",
        )
        assert host.python(code) == ["192.168.1.5", "192.168.1.77"]


@pytest.mark.netns
def test_a_full_tunnel_over_a_virtual_cable_is_a_tunnel() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        tunnel(built, host, "corp0", "10.8.0.6/24")
        host.ip("route add 0.0.0.0/1 via 10.8.0.1", "route add 128.0.0.0/1 via 10.8.0.1")
        found = read_in(host)
        assert (found["corp0"]["kind"], found["corp0"]["gateway"]) == ("tunnel", True)
        assert (found["eth0"]["kind"], found["eth0"]["gateway"]) == ("veth", True)


@pytest.mark.netns
def test_a_real_tunnel_device_is_point_to_point() -> None:
    with lan(1) as built:
        host = built.host(0)
        if host.run(["ip", "tuntap", "add", "dev", "office", "mode", "tun"], check=False).returncode:
            pytest.skip("no tun devices here")
        host.ip("addr add 10.99.0.1 peer 10.99.0.2 dev office", "link set office up")
        office = read_in(host)["office"]
        assert (office["kind"], office["point_to_point"], office["carrier"]) == ("tunnel", True, False)
        assert office["addresses"] == [["10.99.0.1", 32, False, False, False, "10.99.0.2"]]


@pytest.mark.netns
def test_an_address_in_duplicate_detection_is_tentative() -> None:
    with lan(1, ipv6="fd12::/64", dad=True) as built:
        host = built.host(0)
        host.sysctl(net__ipv6__conf__eth0__dad_transmits=60)  # it lasts as many seconds
        host.ip("addr add fd12::77/64 dev eth0", "addr add fd12::78/64 dev eth0 nodad")
        states = {one[0]: one[2] for one in read_in(host)["eth0"]["addresses"]}
        assert states["fd12::77"] is True
        assert states["fd12::78"] is False


@pytest.mark.netns
def test_deprecated_addresses_are_known_as_such() -> None:
    with lan(1, ipv6="fd12::/64") as built:
        host = built.host(0)
        host.ip("addr add fd12::77/64 dev eth0 preferred_lft 0")
        states = {one[0]: one[3] for one in read_in(host)["eth0"]["addresses"]}
        assert (states["fd12::77"], states["fd12::a"]) == (True, False)


ROUTE = """
import json, sys
from ipaddress import ip_address
from localpair.net.host.read import read_interfaces
from localpair.net.host.routes import NoRoute, preferred_source
from localpair.net.host.routing import route_to
interfaces = read_interfaces()
answers = []
for text in sys.argv[1:]:
    one = route_to(ip_address(text), interfaces)
    if isinstance(one, NoRoute):
        answers.append([one.name, one.errno])
    else:
        answers.append([str(one.source), one.interface, str(one.gateway), one.local])
print(json.dumps(answers))
"""
ANYWHERE = ("255.255.255.255", "192.0.2.1")


@pytest.mark.netns
def test_without_a_default_route_only_the_link_is_reached() -> None:
    with lan(1) as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16")
        answers = host.python(ROUTE, *ANYWHERE, "2001:db8::1", "192.168.1.20", "192.168.1.10")
        assert [one[0] for one in answers[:3]] == ["ENETUNREACH", "ENETUNREACH", answers[2][0]]
        assert answers[2][0] in ("ENETUNREACH", "EADDRNOTAVAIL")
        assert answers[3] == ["192.168.1.10", "eth0", "None", False]
        assert answers[4] == ["192.168.1.10", "lo", "None", True]


@pytest.mark.netns
def test_a_full_tunnel_owns_the_world_and_not_the_lan() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        assert host.python(ROUTE, "192.0.2.1") == [["192.168.1.10", "eth0", "192.168.1.1", False]]
        tunnel(built, host, "tun0", "10.8.0.6/24")
        host.ip("route add 0.0.0.0/1 via 10.8.0.1", "route add 128.0.0.0/1 via 10.8.0.1")
        broadcast, world, peer = host.python(ROUTE, *ANYWHERE, "192.168.1.20")
        assert broadcast[0] == "10.8.0.6"
        assert world == ["10.8.0.6", "tun0", "10.8.0.1", False]
        assert peer == ["192.168.1.10", "eth0", "None", False]


@pytest.mark.netns
def test_policy_rules_that_steal_the_lan_are_seen() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        tunnel(built, host, "tun0", "10.8.0.6/24")
        host.ip("route add 192.168.1.0/24 via 10.8.0.1 dev tun0 table 52", "rule add pref 5270 lookup 52")
        (peer,) = host.python(ROUTE, "192.168.1.20")
        assert peer == ["10.8.0.6", "tun0", "10.8.0.1", False]


@pytest.mark.netns
def test_a_default_route_in_another_table_is_a_gateway() -> None:
    with lan(1) as built:
        host = built.host(0)
        host.ip(
            "route add default via 192.168.1.1 dev eth0 table 100", "rule add from 192.168.1.10 lookup 100"
        )
        assert read_in(host)["eth0"]["gateway"] is True


@pytest.mark.netns
def test_a_default_route_over_an_unplugged_cable_is_none() -> None:
    with lan(1, router=True) as built:
        built.switch.ip(f"link set {built.host(0).port} down")
        eth0 = read_in(built.host(0))["eth0"]
        assert (eth0["up"], eth0["carrier"], eth0["gateway"]) == (True, False, False)


@pytest.mark.netns
def test_hundreds_of_interfaces_are_read_in_one_go() -> None:
    if reason := why_no_namespaces():
        pytest.skip(reason)
    with Network() as network:
        host = network.namespace("many")
        host.ip(*(f"link add br{number} type bridge" for number in range(200)))
        host.ip(*(f"addr add 10.{number}.0.1/24 dev br{number}" for number in range(200)))
        found = read_in(host)
        assert len(found) == 201
        assert sum(len(one["addresses"]) for one in found.values()) == 201


def tunnel(built: Lan, host, name: str, own: str) -> None:
    """A VPN made of a virtual cable to a namespace that answers as 10.8.0.1 and forwards nothing."""
    vpn = built.namespace("vpn")
    built.cable(host, name, vpn, "inside")
    vpn.ip("addr add 10.8.0.1/24 dev inside")
    host.ip(f"addr add {own} dev {name}")
