"""Whoever does what the screen advises pairs: the fault, the hint word for word, what it says done, and the pair."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localpair.causes.vocabulary import Cause
from netns import lan
from remedies import HOST_S, JOIN_S, Case, advice, filtered, flush, laid, run_commands, with_nftables_service

pytestmark = [pytest.mark.netns, pytest.mark.slow]

# Without a look at connections, so that two devices that open together are kept apart as well.
CALLS_KEPT_OUT = """
table inet filter {
  chain input {
    type filter hook input priority 0
    iif lo accept
    tcp flags & (syn | ack) == syn drop
  }
}
"""

# --- This device ---


def kill_switch(case: Case) -> None:
    rules = "table inet f {\nchain o {\ntype filter hook output priority 0\noif lo accept\ndrop\n}\n}\n"
    case.joiner.nft(rules)
    assert "turn its kill switch off" in case.fails(Cause.EGRESS_FILTER)
    flush(case.joiner)


def own_firewalls(case: Case) -> None:
    for home in (case.hosting, case.joining):
        home.namespace.nft(CALLS_KEPT_OUT)
        home.wrapper = with_nftables_service()
    case.fails(Cause.FIREWALL_INBOUND)
    for side, home in (("host", case.hosting), ("join", case.joining)):
        run_commands(home.namespace, advice(case.ended, Cause.FIREWALL_INBOUND, side))
        home.wrapper = ()


def switched_off(case: Case) -> None:
    case.joiner.ip("link set eth0 down")
    assert "switch the network of this device on" in case.fails(Cause.INTERFACE_DOWN)
    case.joiner.ip("link set eth0 up")
    case.network.settle()


def cable_out(case: Case) -> None:
    case.network.switch.ip(f"link set {case.joiner.port} down")
    case.joiner.await_state("eth0", "DOWN")
    assert "plug in the cable" in case.fails(Cause.NO_CARRIER)
    case.network.switch.ip(f"link set {case.joiner.port} up")
    case.network.settle()


def no_address(case: Case) -> None:
    case.joiner.ip("addr flush dev eth0")
    assert "give it one" in case.fails(Cause.NO_USABLE_ADDRESS)
    case.joiner.ip("addr add 192.168.1.20/24 dev eth0")


# --- Between ---


def isolated(case: Case) -> None:
    for one in case.network.hosts:
        case.network.switch.run(["bridge", "link", "set", "dev", one.port, "isolated", "on"])
    assert "a cable between the two devices" in case.fails(Cause.CLIENT_ISOLATION, "both")
    laid(case.network)


def filtered_between(case: Case) -> None:
    filtered(case.network, "meta l4proto { tcp, udp } drop")
    assert "or a cable" in case.fails(Cause.FILTER_IN_BETWEEN, "both")
    laid(case.network)


def answers_lost(case: Case) -> None:
    filtered(case.network, f'iifname "{case.host.port}" drop')
    assert "a cable between the two devices" in case.fails(Cause.ARP_ONE_WAY, "both")
    laid(case.network)


def two_networks(case: Case) -> None:
    case.network.bridge("br1")
    case.network.switch.ip("addr add 192.168.1.1/24 dev br1", f"link set {case.joiner.port} master br1")
    case.network.settle()
    assert "connect both devices to the same network" in case.fails(Cause.DIFFERENT_NETWORKS, "both")
    case.network.switch.ip(f"link set {case.joiner.port} master br0")
    case.network.settle()


def closed_router(case: Case) -> None:
    network = case.network
    network.bridge("br1")
    network.switch.ip("addr add 192.168.2.1/24 dev br1", f"link set {case.joiner.port} master br1")
    case.joiner.ip(
        "addr flush dev eth0", "addr add 192.168.2.20/24 dev eth0", "route add default via 192.168.2.1"
    )
    network.switch.sysctl(net__ipv4__ip_forward=1)
    network.switch.nft(
        "table ip f {\nchain c {\ntype filter hook forward priority 0\nreject with icmp admin-prohibited\n}\n}\n"
    )
    network.settle()
    assert "compare the network's name on both devices" in case.fails(Cause.ROUTER_BLOCKS, "both")
    network.switch.ip(f"link set {case.joiner.port} master br0")  # it was another one
    case.joiner.ip("addr flush dev eth0", "addr add 192.168.1.20/24 dev eth0")
    network.settle()


def no_version_in_common(case: Case) -> None:
    case.host.ip("addr del 192.168.1.10/24 dev eth0")
    case.joiner.sysctl(net__ipv6__conf__eth0__disable_ipv6=1)
    assert "switch on the version of IP that is off" in case.fails(Cause.NO_COMMON_FAMILY, "both")
    case.joiner.sysctl(net__ipv6__conf__eth0__disable_ipv6=0)
    case.joiner.ip("addr replace fd12::20/64 dev eth0")


def large_packets_lost(case: Case) -> None:
    filtered(case.network, "meta length > 900 drop")
    longer = {
        "host_with": ["--timeout", "10"],
        "join_with": ["--timeout", "8"],
    }  # than TLS waits for an answer
    assert "set the MTU of both devices" in case.fails(Cause.MTU_BLACK_HOLE, "both", **longer)
    for one in (case.host, case.joiner):
        one.ip("link set eth0 mtu 900")


def groups_lost(case: Case) -> None:
    case.host.ip("addr flush dev eth0", "addr add 10.77.3.9/8 dev eth0")
    filtered(case.network, "meta pkttype { broadcast, multicast } ip protocol udp drop")
    hint = case.fails(Cause.MULTICAST_FILTERED, "both", host_with=["--offer-addresses", "none"])
    assert "`--offer-addresses all`" in hint


# --- The offer and the pair ---


def old_offer(case: Case) -> None:
    first = case.hosting.host("--timeout", "1")
    old = first.wait("offer")["offer"]
    first.end()
    assert "read the offer that is shown there now" in case.fails(Cause.STALE_OFFER, offer=old)


def ended_host(case: Case) -> None:
    first = case.hosting.host("--timeout", "1")
    offer = first.wait("offer")["offer"]
    first.end()
    joining = case.joining.join(offer, "--timeout", str(JOIN_S))
    assert joining.end() != 0
    hint = advice({"join": joining}, Cause.HOST_ENDED, "join")
    assert "run `localpair host` there again" in hint or "host again there" in hint


def cloned(case: Case) -> None:
    case.hosting.host("--timeout", "1").end()
    shutil.copytree(case.hosting.folder, case.joining.folder, dirs_exist_ok=True)
    assert "remove localpair's state folder" in case.fails(Cause.CLONED_IDENTITY)
    shutil.rmtree(case.joining.folder)
    case.joining.folder.mkdir()


def own_offer(case: Case) -> None:
    host = case.hosting.host("--timeout", str(HOST_S))
    joining = case.hosting.join(host.wait("offer")["offer"], "--timeout", str(JOIN_S))
    assert joining.end() != 0
    assert "read it with the other device" in advice({"join": joining}, Cause.OWN_OFFER, "join")
    host.interrupt()


def forgotten(case: Case) -> None:
    case.pairs(host_with=["--name", "kitchen"])
    known = json.loads((case.hosting.folder / "trust.json").read_text())
    assert known
    (case.hosting.folder / "trust.json").unlink()
    listening = case.hosting.run("listen", "--yes", "--receive", str(case.hosting.folder / "inbox"))
    listening.wait("ready")
    (case.joining.folder / "note").write_text("hello")
    sending = case.joining.run("send", "kitchen", str(case.joining.folder / "note"), "--timeout", str(JOIN_S))
    assert sending.end() != 0
    hint = advice({"join": sending}, Cause.FORGOTTEN_OR_REVOKED, "join")
    assert "pair the two devices again" in hint or "pair again" in hint
    listening.interrupt()


LANS: dict[Callable[[Case], None], dict[str, Any]] = {
    isolated: {"router": True},
    two_networks: {"router": True},
    closed_router: {"router": True},
    no_version_in_common: {"ipv6": "fd12::/64"},
    groups_lost: {"subnet": "10.0.0.0/8"},
}
SITUATIONS = (
    kill_switch, own_firewalls, switched_off, cable_out, no_address, isolated, filtered_between,
    answers_lost, two_networks, closed_router, no_version_in_common, large_packets_lost, groups_lost, old_offer,
    ended_host, cloned, own_offer, forgotten,
)  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_whoever_does_what_the_screen_advises_pairs(
    situation: Callable[[Case], None], tmp_path: Path
) -> None:
    with lan(2, **LANS.get(situation, {})) as network:
        case = Case(network, tmp_path)
        situation(case)
        case.pairs()
