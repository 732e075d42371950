"""Real devices on real links: the command line in two network namespaces, paired across what the network does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices import Home, pair
from netns import Lan, find_tool, lan

pytestmark = pytest.mark.netns

ICMP = "meta l4proto icmp accept"


@pytest.fixture
def net() -> Iterator[Lan]:
    with lan(2) as made:
        yield made


def homes(net: Lan, tmp_path: Path) -> tuple[Home, Home]:
    return Home(net.host(0), tmp_path / "a"), Home(net.host(1), tmp_path / "b")


def assert_one_pair(net: Lan, tmp_path: Path, *host_with: str) -> tuple[dict[str, str], dict[str, str]]:
    """Pair, and check that both sides tell the same story; returns the two paths."""
    hosting, joining = pair(*homes(net, tmp_path), host_with=host_with)
    assert (hosting.end(), joining.end()) == (0, 0), hosting.output() + joining.output()
    here, there = hosting.wait("paired"), joining.wait("paired")
    assert (here["path"]["local"], here["path"]["remote"]) == (
        there["path"]["remote"],
        there["path"]["local"],
    )
    assert here["path"]["carrier"] == there["path"]["carrier"]
    assert {here["path"]["direction"], there["path"]["direction"]} in ({"in", "out"}, {"simultaneous"})
    return here["path"], there["path"]


def test_a_flat_lan(net: Lan, tmp_path: Path) -> None:
    _, there = assert_one_pair(net, tmp_path)
    assert there["direction"] == "out"
    # The host's beacon may be faster than the address in its offer.
    assert there["carrier"] in ("offer", "multicast", "broadcast", "unicast")


def test_an_offer_without_addresses(net: Lan, tmp_path: Path) -> None:
    _, there = assert_one_pair(net, tmp_path, "--offer-addresses", "none")
    assert there["carrier"] in ("multicast", "broadcast", "unicast")


@pytest.mark.parametrize("addresses", ["all", "none"])
@pytest.mark.parametrize(
    ("host_lets_in", "join_lets_in"),
    [
        ([ICMP], None),
        (None, [ICMP]),
        ([ICMP], [ICMP]),
        (["meta l4proto udp accept"], None),
        (["meta l4proto tcp accept"], ["meta l4proto tcp accept"]),
        (["meta l4proto tcp accept"], None),
        (None, ["meta l4proto tcp accept"]),
    ],
    ids=["host closed", "join closed", "both closed", "host no TCP", "both no UDP", "host no UDP", "join no UDP"],
)  # fmt: skip
def test_firewalls(
    net: Lan, tmp_path: Path, addresses: str, host_lets_in: list[str] | None, join_lets_in: list[str] | None
) -> None:
    """Stateful, dropping: whatever is let out comes back. Each of these hosts can reach the other one somehow."""
    find_tool("nft")
    for number, rules in enumerate((host_lets_in, join_lets_in)):
        if rules is not None:
            net.host(number).firewall(*rules)
    here, _ = assert_one_pair(net, tmp_path, "--offer-addresses", addresses)
    if host_lets_in == [ICMP] and join_lets_in == [ICMP]:
        assert here["direction"] == "simultaneous"
    elif host_lets_in in ([ICMP], ["meta l4proto udp accept"]):
        assert here["direction"] in ("out", "simultaneous"), "nothing gets in, so the host dials"


def test_one_way_udp_teaches_both_sides_both_addresses(net: Lan, tmp_path: Path) -> None:
    """The mitigation: the second device hears nothing by UDP, and still learns who is there and where it is seen."""
    find_tool("nft")
    net.host(1).firewall("meta l4proto tcp accept", ICMP)
    first, second = homes(net, tmp_path)
    deaf = second.run("discover", "--timeout", "4")
    peers = first.run("discover", "--timeout", "4")
    heard = deaf.wait("peer")
    assert net.host(0).address in str(heard)
    assert net.host(1).address in str(peers.wait("peer"))
    for device, own in ((deaf, net.host(1)), (peers, net.host(0))):
        seen = device.wait(
            "address", lambda event, own=own: (event["address"], event["stage"]) == (own.address, 3)
        )
        assert seen["evidence"] in ("seen-over-udp", "dialled-over-tcp")
    assert (deaf.end(), peers.end()) == (0, 0)


def test_two_instances_on_one_host(net: Lan, tmp_path: Path) -> None:
    first, _ = homes(net, tmp_path)
    second = Home(net.host(0), tmp_path / "c")
    hosting, joining = pair(first, second)
    assert (hosting.end(), joining.end()) == (0, 0)


def test_a_host_without_any_network(tmp_path: Path) -> None:
    with lan(1, subnet=None) as net:
        first, second = (Home(net.host(0), tmp_path / name) for name in "ab")
        hosting, joining = pair(first, second)
        assert (hosting.end(), joining.end()) == (0, 0)


@pytest.mark.parametrize("prefix", [True, "fd12::/64"], ids=["link-local only", "unique local"])
def test_ipv6_only(tmp_path: Path, prefix: bool | str) -> None:
    with lan(2, subnet=None, ipv6=prefix) as net:
        here, _ = assert_one_pair(net, tmp_path)
        assert here["local"].startswith("[")


def test_link_local_ipv4_over_one_cable(tmp_path: Path) -> None:
    with lan(2, subnet="169.254.0.0/16") as net:
        assert_one_pair(net, tmp_path)


def test_both_own_the_same_container_bridge(net: Lan, tmp_path: Path) -> None:
    """Field: both machines run containers and own 172.17.0.1; dialling it would reach oneself."""
    for number in range(2):
        net.host(number).card("docker0", "172.17.0.1/16")
    here, _ = assert_one_pair(net, tmp_path)
    assert here["local"].startswith("192.168.1.")


def test_a_tunnel_owns_the_default_route(net: Lan, tmp_path: Path) -> None:
    net.host(0).card("tun0", "10.8.0.6/24")
    net.host(0).ip("route add 0.0.0.0/1 dev tun0", "route add 128.0.0.0/1 dev tun0")
    here, _ = assert_one_pair(net, tmp_path)
    assert here["local"].startswith("192.168.1.")


@pytest.mark.parametrize("number", [0, 1], ids=["host", "join"])
def test_a_tunnel_steals_the_prefix_of_the_lan(net: Lan, tmp_path: Path, number: int) -> None:
    """A policy rule sends everything for the LAN into a tunnel that swallows it; a socket bound to the LAN gets out."""
    far = net.namespace("vpn")
    net.cable(far, "far", net.host(number), "tun0")
    far.ip("addr add 10.8.0.1/24 dev far")
    net.host(number).ip(
        "addr add 10.8.0.6/24 dev tun0", "rule add pref 5270 lookup 52",
        "route add 192.168.1.0/24 via 10.8.0.1 dev tun0 table 52",
    )  # fmt: skip
    here, _ = assert_one_pair(net, tmp_path)
    assert here["local"].startswith("192.168.1.")


@pytest.mark.parametrize("number", [0, 1], ids=["host", "join"])
def test_another_link_has_the_same_prefix_and_the_better_route(net: Lan, tmp_path: Path, number: int) -> None:
    """Two LANs with one prefix, as two home routers give: the routing table knows one of them only."""
    net.cable(net.namespace("other"), "far", net.host(number), "eth9")
    net.host(number).ip(
        "route del 192.168.1.0/24 dev eth0", "addr add 192.168.1.99/24 dev eth9",
        "route add 192.168.1.0/24 dev eth0 metric 100",
    )  # fmt: skip
    here, there = assert_one_pair(net, tmp_path)
    assert "192.168.1.99" not in here["local"] + there["local"]


def test_routed_without_multicast(tmp_path: Path) -> None:
    """Two subnets and a router between: only the offered address helps."""
    with lan(2) as net:
        net.bridge("br1")
        far = net.host(1)
        far.ip("addr flush dev eth0")
        net.switch.ip(
            "addr add 192.168.1.1/24 dev br0",
            "addr add 192.168.2.1/24 dev br1",
            f"link set {far.port} master br1",
        )
        net.switch.sysctl(net__ipv4__ip_forward=1)
        far.ip("addr add 192.168.2.20/24 dev eth0", "route add default via 192.168.2.1")
        net.host(0).ip("route add default via 192.168.1.1")
        net.settle()
        here, _ = assert_one_pair(net, tmp_path)
        assert "192.168.2.20" in here["remote"]


def test_an_offer_whose_host_has_ended_is_told_from_a_network_that_leads_nowhere(
    net: Lan, tmp_path: Path
) -> None:
    here, there = homes(net, tmp_path)
    hosting = here.host()
    offer = hosting.wait("offer")["offer"]
    hosting.interrupt()
    joining = there.join(offer, "--timeout", "3")
    assert joining.end() == 3, joining.output()
    failed = joining.wait("failed")
    assert failed["message"].startswith(
        "most likely either the other device ended, or the offer was used already"
    )
    assert "if it does not, host again there" in failed["hint"]


def isolate(net: Lan) -> None:
    for number in range(2):
        net.switch.run(["bridge", "link", "set", "dev", net.host(number).port, "isolated", "on"])


def unplug(net: Lan) -> None:
    net.switch.ip(f"link set {net.host(0).port} down")


@pytest.mark.parametrize("cut", [isolate, unplug])
@pytest.mark.parametrize("addresses", ["all", "none"])
def test_no_path_ends_in_time_with_code_3_and_a_cause(
    net: Lan, tmp_path: Path, cut: Callable[[Lan], None], addresses: str
) -> None:
    first, second = homes(net, tmp_path)
    hosting = first.host("--timeout", "6", "--offer-addresses", addresses)
    offer = hosting.wait("offer")["offer"]
    cut(net)
    joining = second.join(offer, "--timeout", "4")
    assert joining.end() == 3
    assert hosting.end() == 3
    for device in (hosting, joining):
        (failed,) = device.of("failed")
        assert failed["exit_code"] == 3
        assert failed["reason"]
        assert not device.of("paired")


def test_the_address_changes_after_the_offer(net: Lan, tmp_path: Path) -> None:
    first, second = homes(net, tmp_path)
    hosting = first.host()
    offer = hosting.wait("offer")["offer"]
    net.host(0).ip("addr del 192.168.1.10/24 dev eth0", "addr add 192.168.1.77/24 dev eth0")
    joining = second.join(offer)
    assert joining.wait("paired")["path"]["remote"].startswith("192.168.1.77:")
    assert (hosting.end(), joining.end()) == (0, 0)


def test_the_interface_is_made_anew_after_the_offer(net: Lan, tmp_path: Path) -> None:
    """A dock is pulled and plugged in again: same name, same address, other index; memberships are lost silently."""
    first, second = homes(net, tmp_path)
    hosting = first.host("--offer-addresses", "none")
    offer = hosting.wait("offer")["offer"]
    net.host(0).ip("link del eth0")
    net.attach(net.host(0), "eth0", "192.168.1.10/24")
    joining = second.join(offer)
    joining.wait("paired")
    assert (hosting.end(), joining.end()) == (0, 0)


def test_the_network_comes_after_the_host(tmp_path: Path) -> None:
    with lan(2) as net:
        net.host(0).ip("link set eth0 down", "addr flush dev eth0")
        first, second = homes(net, tmp_path)
        hosting = first.host()
        offer = hosting.wait("offer")["offer"]
        net.host(0).ip("link set eth0 up", "addr add 192.168.1.10/24 dev eth0")
        joining = second.join(offer)
        joining.wait("paired")
        assert (hosting.end(), joining.end()) == (0, 0)


def test_flow_post(net: Lan, tmp_path: Path) -> None:
    """Nearby devices are listed, one is chosen, and the offer is made for it and for the address it is seen from."""
    first, second = homes(net, tmp_path)
    joining = second.run("join", "-", "--flow", "post", "--yes")
    hosting = first.host("--flow", "post")
    peer = hosting.wait("peer")
    assert "192.168.1.20" in str(peer)
    joining.wait("peer")
    joining.say(hosting.wait("offer")["offer"] + "\n")
    assert joining.wait("paired")["path"]["remote"].startswith("192.168.1.10:")
    assert (hosting.end(), joining.end()) == (0, 0)


def test_an_offer_made_for_another_device_is_refused(tmp_path: Path) -> None:
    with lan(3) as net:
        first, second = homes(net, tmp_path)
        third = Home(net.host(2), tmp_path / "c")
        joining = second.run("join", "-", "--flow", "post", "--yes")
        hosting = first.host("--flow", "post")
        offer = hosting.wait("offer")["offer"]
        stranger = third.join(offer)
        assert stranger.end() == 4
        joining.say(offer + "\n")
        joining.wait("paired")
        assert (hosting.end(), joining.end()) == (0, 0)
