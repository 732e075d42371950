"""The seam to the platform: one snapshot, several sources, and no failure that ends anything."""

from __future__ import annotations

import platform
import socket
import sys
from dataclasses import replace
from ipaddress import ip_address
from types import SimpleNamespace

import ifaddr
import psutil
import pytest

from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.net.host import portable, routes
from localpair.net.host import read as seam
from localpair.net.host.interfaces import Interfaces, SkippedSource
from localpair.net.host.naming import kind_of_name
from localpair.net.host.read import neighbours, read_interfaces
from localpair.net.host.routes import NoRoute, Route, owns, preferred_source
from netns import lan

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


def interface(name: str, *addresses: str, index: int = 1, **more: object) -> Interface:
    held = tuple(
        InterfaceAddress(ip_address(text.partition("/")[0]), int(text.partition("/")[2]))
        for text in addresses
    )
    return Interface(index=index, name=name, addresses=held, **{"carrier": True, **more})


LAN = interface("eth0", "192.168.1.10/24", "fe80::1/64", index=2)
LO = interface("lo", "127.0.0.1/8", "::1/128", kind=InterfaceKind.LOOPBACK)


# --- The value -------------------------------------------------------------------------------------------------


def test_a_snapshot_does_not_depend_on_the_order_of_enumeration() -> None:
    assert Interfaces((LAN, LO)) == Interfaces((LO, LAN))
    assert Interfaces((LAN, LO)).interfaces[0].name == "eth0"
    assert Interfaces((LAN, LO)).by_index[2] is LAN


def test_own_addresses_and_their_owner() -> None:
    found = Interfaces((LAN, LO, interface("eth1", "fe80::1/64", index=3)))
    assert found.own_addresses == {ip_address(one) for one in ("192.168.1.10", "fe80::1", "127.0.0.1", "::1")}
    assert found.owner(ip_address("192.168.1.10")) == LAN
    assert found.owner(ip_address("192.168.1.11")) is None
    assert found.owner(ip_address("fe80::1"), scope=3).index == 3
    assert found.owner(ip_address("fe80::1%eth0"), scope=2).index == 2


def test_on_link_follows_the_mask() -> None:
    found = Interfaces((LAN, LO))
    assert found.on_link(ip_address("192.168.1.200")) == (LAN,)
    assert found.on_link(ip_address("fe80::9%eth0")) == (LAN,)
    assert found.on_link(ip_address("192.168.2.1")) == ()


def broadcasts(*held: Interface) -> list[tuple[int, str, str]]:
    return [
        (one.index, str(one.source), str(one.broadcast)) for one in Interfaces(held).directed_broadcasts()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.168.1.10/24", "192.168.1.255"),
        ("10.89.169.124/16", "10.89.255.255"),
        ("10.20.7.255/16", "10.20.255.255"),
        ("192.168.1.10/25", "192.168.1.127"),
        ("172.20.10.5/28", "172.20.10.15"),
        ("10.0.0.1/30", "10.0.0.3"),
        ("169.254.3.7/16", "169.254.255.255"),
    ],
)
def test_the_broadcast_address_follows_from_the_mask(text: str, expected: str) -> None:
    assert broadcasts(interface("eth0", text)) == [(1, text.partition("/")[0], expected)]


@pytest.mark.parametrize(
    "one",
    [
        interface("eth0", "10.0.0.1/31"),
        interface("eth0", "10.0.0.1/32"),
        interface("eth0", "fd12::1/64"),
        interface("eth0", "192.168.1.10/24", up=False),
        interface("eth0", "192.168.1.10/24", carrier=False),
        interface("ppp0", "192.168.1.10/24", point_to_point=True),
        LO,
    ],
)
def test_where_there_is_no_broadcast_address(one: Interface) -> None:
    assert broadcasts(one) == []


def test_two_addresses_of_one_subnet_share_one_broadcast_for_each_card() -> None:
    card = interface("eth0", "192.168.1.10/24", "192.168.1.11/24")
    other = interface("eth1", "192.168.1.12/24", index=2)
    assert broadcasts(card, other) == [
        (1, "192.168.1.10", "192.168.1.255"),
        (2, "192.168.1.12", "192.168.1.255"),
    ]


def test_multicast_uses_every_card_that_can_and_names_the_others() -> None:
    tentative = replace(LAN, index=9, name="new0", addresses=(replace(LAN.addresses[1], tentative=True),))
    found = Interfaces(
        (
            LAN,
            LO,
            tentative,
            interface("deaf0", "10.0.0.1/8", multicast=False),
            interface("docker0", "172.17.0.1/16", carrier=False),
            interface("down0", "10.1.0.1/16", up=False),
            interface("empty0"),
            interface("ppp0", "10.2.0.1/32", point_to_point=True),
            interface("maybe0", "10.3.0.1/16", carrier=None),
        )
    )
    assert [one.name for one in found.multicast_interfaces()] == ["eth0", "maybe0"]
    assert found.unused() == (
        SkippedSource("deaf0", "multicast is off"),
        SkippedSource("docker0", "no carrier"),
        SkippedSource("down0", "down"),
        SkippedSource("empty0", "no address"),
        SkippedSource("lo", "loopback"),
        SkippedSource("new0", "no address has passed duplicate detection yet"),
        SkippedSource("ppp0", "point-to-point"),
    )


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("en0",), InterfaceKind.ETHERNET),
        (("utun4",), InterfaceKind.TUNNEL),
        (("ipsec0",), InterfaceKind.TUNNEL),
        (("bridge100",), InterfaceKind.BRIDGE),
        (("awdl0",), InterfaceKind.WIRELESS),
        (("lo0",), InterfaceKind.LOOPBACK),
        (("Ethernet 2", "Intel(R) Ethernet Connection"), InterfaceKind.ETHERNET),
        (("Wi-Fi", "Intel(R) Wi-Fi 6 AX201 160MHz"), InterfaceKind.WIRELESS),
        (("vEthernet (WSL)", "Hyper-V Virtual Ethernet Adapter"), InterfaceKind.BRIDGE),
        (("Ethernet 3", "VirtualBox Host-Only Ethernet Adapter"), InterfaceKind.BRIDGE),
        (("Ethernet 4", "TAP-Windows Adapter V9"), InterfaceKind.TUNNEL),
        (("Tailscale", "Tailscale Tunnel"), InterfaceKind.TUNNEL),
        (("office", "WireGuard Tunnel"), InterfaceKind.TUNNEL),
        (("anpi1",), InterfaceKind.OTHER),
    ],
)
def test_what_a_name_tells(names: tuple[str, ...], kind: InterfaceKind) -> None:
    assert kind_of_name(*names) is kind


# --- The sources -----------------------------------------------------------------------------------------------


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def comparable(found: Interfaces) -> dict[str, tuple[object, ...]]:
    return {
        one.name: (one.index, one.up, one.multicast, one.mtu, {(a.address, a.prefix) for a in one.addresses})
        for one in found.interfaces
        if one.addresses
    }


@linux
def test_all_sources_tell_the_same() -> None:
    from localpair.net.host.linux import ioctl, netlink

    expected = comparable(netlink.read())
    assert expected
    assert comparable(portable.read()) == expected
    assert comparable(ioctl.read()) == expected


@linux
def test_the_best_source_is_asked_first() -> None:
    assert read_interfaces().source == "netlink"


@linux
def test_denied_netlink_falls_back_to_the_portable_source(monkeypatch: pytest.MonkeyPatch) -> None:
    from localpair.net.host.linux import netlink

    expected = comparable(netlink.read())
    monkeypatch.setattr(netlink, "_RouteSocket", refuse)
    found = read_interfaces()
    assert found.source == "portable"
    assert found.skipped[0] == SkippedSource("netlink", "Permission denied")
    assert comparable(found) == expected
    assert neighbours() == ()


@linux
def test_denied_enumeration_falls_back_to_plain_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    from localpair.net.host.linux import netlink

    expected = comparable(netlink.read())
    monkeypatch.setattr(netlink, "_RouteSocket", refuse)
    monkeypatch.setattr(ifaddr, "get_adapters", refuse)
    found = read_interfaces()
    assert found.source == "ioctl"
    assert [one.name for one in found.skipped] == ["netlink", "portable"]
    assert comparable(found) == expected


def test_with_every_source_refused_the_routing_table_still_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_all(monkeypatch)
    own = ip_address("192.168.1.10")
    monkeypatch.setattr(portable, "preferred_source", lambda destination: Route(destination, own))
    found = read_interfaces()
    assert found.source == "routes"
    assert found.own_addresses == {own}
    assert found.interfaces[0].index == 0
    assert found.directed_broadcasts() == ()


def test_with_everything_refused_there_is_an_empty_answer_with_reasons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_all(monkeypatch)
    monkeypatch.setattr(portable, "preferred_source", lambda one: NoRoute(one, 101, "ENETUNREACH", "no"))
    found = read_interfaces()
    assert found.interfaces == ()
    assert SkippedSource("portable", "Permission denied") in found.skipped
    assert found.skipped[-1] == SkippedSource("routes", "tells of no interface")


def refuse_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", refuse)
    if sys.platform.startswith("linux"):
        from localpair.net.host.linux import ioctl, netlink

        monkeypatch.setattr(netlink, "_RouteSocket", refuse)
        monkeypatch.setattr(ioctl, "read", refuse)


@pytest.mark.parametrize(
    "error", [ValueError("x"), AssertionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")]
)
def test_whatever_a_source_raises_the_next_one_is_asked(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken() -> Interfaces:
        raise error

    working = Interfaces((LAN,), source="second")
    monkeypatch.setattr(seam, "_readers", lambda: [("first", broken), ("second", lambda: working)])
    found = read_interfaces()
    assert found.interfaces == (LAN,)
    assert [one.name for one in found.skipped] == ["first"]
    assert found.skipped[0].reason


# --- The portable source ---------------------------------------------------------------------------------------


def adapter(name: str, nice: str, *ips: ifaddr.IP, index: int | None = 1) -> ifaddr.Adapter:
    return ifaddr.Adapter(name, nice, list(ips), index=index)


def told_by(
    monkeypatch: pytest.MonkeyPatch, adapters: list[object], stats: dict[str, object], addrs: object
) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", lambda **_: adapters)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: stats)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addrs)


def test_windows_names_are_joined_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, ifaddr knows a GUID and the driver's text, and psutil the name that people see."""
    told_by(
        monkeypatch,
        [
            adapter("{4C1}", "Hyper-V Virtual Ethernet Adapter",
                    ifaddr.IP("172.19.80.1", 20, "vEthernet (WSL)"), index=15),
            adapter("{9AB}", "Intel(R) Wi-Fi 6", ifaddr.IP("192.168.1.10", 24, "Wi-Fi"),
                    ifaddr.IP(("fe80::1", 0, 7), 64, "Wi-Fi"), index=7),
        ],
        {"vEthernet (WSL)": SimpleNamespace(isup=True, mtu=1500, flags=""),
         "Wi-Fi": SimpleNamespace(isup=False, mtu=1400, flags="")},
        {"Wi-Fi": [SimpleNamespace(family=socket.AF_INET, address="192.168.1.10", ptp=None)]},
    )  # fmt: skip
    found = portable.read()
    wsl, wifi = found.by_index[15], found.by_index[7]
    assert (wsl.name, wsl.kind, wsl.up) == ("vEthernet (WSL)", InterfaceKind.BRIDGE, True)
    assert (wifi.name, wifi.kind, wifi.up, wifi.mtu) == ("Wi-Fi", InterfaceKind.WIRELESS, False, 1400)
    assert [str(one.address) for one in wifi.addresses] == ["192.168.1.10", "fe80::1"]


def test_macos_tunnels_have_a_far_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told_by(
        monkeypatch,
        [adapter("utun4", "utun4", ifaddr.IP("100.64.0.2", 32, "utun4"), index=17)],
        {"utun4": SimpleNamespace(isup=True, mtu=1280, flags="up,pointopoint,running,multicast")},
        {"utun4": [SimpleNamespace(family=socket.AF_INET, address="100.64.0.2", ptp="100.64.0.2")]},
    )
    (tunnel,) = portable.read().interfaces
    assert (tunnel.kind, tunnel.point_to_point, tunnel.carrier) == (InterfaceKind.TUNNEL, True, True)
    assert tunnel.addresses[0].peer == ip_address("100.64.0.2")


def test_an_index_hidden_in_a_link_local_address_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told_by(monkeypatch, [adapter("en0", "en0", ifaddr.IP(("fe80:4::1", 0, 4), 64, "en0"), index=4)], {}, {})
    assert portable.read().own_addresses == {ip_address("fe80::1")}


def test_up_without_running_is_a_card_without_carrier(monkeypatch: pytest.MonkeyPatch) -> None:
    told_by(
        monkeypatch,
        [adapter("docker0", "docker0", ifaddr.IP("172.17.0.1", 16, "docker0"))],
        {"docker0": SimpleNamespace(isup=False, mtu=1500, flags="up,broadcast,multicast")},
        {},
    )
    (docker,) = portable.read().interfaces
    assert (docker.up, docker.carrier, docker.kind) == (True, False, InterfaceKind.BRIDGE)


def test_one_bad_adapter_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = adapter("bad0", "bad0", ifaddr.IP("not an address", 24, "bad0"))
    good = adapter("eth0", "eth0", ifaddr.IP("192.168.1.10", 24, "eth0"), index=None)
    told_by(monkeypatch, [bad, good], {}, {})
    found = portable.read()
    assert [(one.name, one.index) for one in found.interfaces] == [("eth0", 0)]
    assert [one.name for one in found.skipped] == ["bad0"]


def test_without_flags_the_addresses_are_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    told_by(monkeypatch, [adapter("eth0", "eth0", ifaddr.IP("192.168.1.10", 24, "eth0"))], {}, {})
    monkeypatch.setattr(psutil, "net_if_stats", refuse)
    found = portable.read()
    assert (found.interfaces[0].up, found.interfaces[0].carrier) == (True, None)
    assert SkippedSource("psutil", "Permission denied") in found.skipped


def test_the_preferred_outbound_address_marks_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        adapter(name, name, ifaddr.IP(text, 24, name), index=number)
        for number, (name, text) in enumerate((("en0", "192.168.1.10"), ("en5", "192.168.56.1")), 1)
    ]
    told_by(monkeypatch, cards, {}, {})
    monkeypatch.setattr(portable, "preferred_source", lambda one: Route(one, ip_address("192.168.1.10")))
    assert [(one.name, one.gateway) for one in portable.read().interfaces] == [("en0", True), ("en5", False)]


# --- Routes ----------------------------------------------------------------------------------------------------


def test_asking_for_the_source_sends_nothing_and_resolves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostname"):
        monkeypatch.setattr(socket, name, refuse)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        assert preferred_source(ip_address("127.0.0.1"), port) == Route(
            ip_address("127.0.0.1"), ip_address("127.0.0.1")
        )
        with pytest.raises(BlockingIOError):
            listener.recv(1)
    assert isinstance(preferred_source(ip_address("255.255.255.255")), Route | NoRoute)  # never EACCES


def test_no_route_names_its_errno(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(routes.socket, "socket", Unreachable)
    answer = preferred_source(ip_address("192.0.2.1"))
    assert isinstance(answer, NoRoute)
    assert (answer.name, answer.errno) == ("ENETUNREACH", 101)
    assert str(answer) == "no route to 192.0.2.1: ENETUNREACH (Network is unreachable)"


def test_ownership_is_what_can_be_bound() -> None:
    assert owns(ip_address("127.0.0.1"))
    assert not owns(ip_address("203.0.113.77"))


# --- In namespaces ---------------------------------------------------------------------------------------------

SEAM = """
import json
from localpair.net.host.read import read_interfaces
found = read_interfaces()
print(json.dumps({
    "source": found.source, "names": [one.name for one in found.interfaces],
    "multicast": [one.name for one in found.multicast_interfaces()],
    "skipped": [[one.name, one.reason] for one in found.skipped],
    "unused": dict([one.name, one.reason] for one in found.unused()),
    "own": sorted(str(one) for one in found.own_addresses),
    "broadcasts": [[one.index, str(one.source), str(one.broadcast)] for one in found.directed_broadcasts()]}))
"""


@pytest.mark.netns
def test_bad_cards_beside_the_lan_are_listed_with_their_reasons() -> None:
    with lan(1, ipv6="fd12::/64") as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16", carrier=False)
        host.card("empty0")
        host.card("deaf0", "10.7.0.1/16")
        host.ip("addr flush dev empty0", "link set deaf0 multicast off")
        host.card("down0", "10.8.0.1/16")
        host.ip("link set down0 down")
        host.card("six0")
        host.ip("addr add fe80::77/64 dev six0")
        found = host.python(SEAM)
        assert found["source"] == "netlink"
        assert found["multicast"] == ["eth0", "six0"]
        assert found["skipped"] == []
        assert found["unused"] == {
            "deaf0": "multicast is off",
            "docker0": "no carrier",
            "down0": "down",
            "empty0": "no address",
            "lo": "loopback",
        }
        assert "192.168.1.10" in found["own"]


@pytest.mark.netns
def test_an_empty_namespace_has_a_loopback_device_and_nothing_else() -> None:
    with lan(0) as built:
        found = built.switch.python(SEAM)
        assert set(found["names"]) == {"lo", "br0"}
        assert found["broadcasts"] == []


# What systemd's RestrictAddressFamilies and many sandboxes do: the routing socket cannot be made.
FORBID_NETLINK = """
import ctypes, platform, struct, socket
number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_NETLINK),
         (0x06, 0, 0, 0x00050000 | 13), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("=HBBI", *step) for step in steps)
held = ctypes.create_string_buffer(program)
filter_ = struct.pack("@HP", len(steps), ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.create_string_buffer(filter_), 0, 0) == 0, ctypes.get_errno()
"""


@pytest.mark.netns
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the filter names system calls")
def test_a_sandbox_without_the_routing_socket_still_tells_everything() -> None:
    with lan(1, ipv6="fd12::/64") as built:
        host = built.host(0)
        host.card("docker0", "172.17.0.1/16", carrier=False)
        host.ip("addr add 192.168.1.99/25 dev eth0", "addr add 10.9.0.1/16 dev eth0 label eth0:9")
        host.await_state("docker0", "DOWN")
        free, caught = host.python(SEAM), host.python(FORBID_NETLINK + SEAM)
        assert caught["source"] == "ioctl"
        assert [one[0] for one in caught["skipped"]] == ["netlink", "portable"]
        for what in ("names", "own", "multicast", "unused", "broadcasts"):
            assert caught[what] == free[what], what
