"""Diagnoses of real networks in namespaces."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from diagnosing import diagnose_here
from localpair.diagnosis import (
    CHECKS,
)
from netns import Lan, find_tool, lan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


DIAGNOSE = """
import asyncio
from dataclasses import replace
from pathlib import Path
from localpair.candidate import Candidate
from localpair.diagnosis import CHECKS, CheckContext, diagnose, to_text
from ipaddress import ip_address
import json, sys
folder, wanted, peers = json.loads(sys.argv[1])
setting = CheckContext(folder=Path(folder), peers=tuple(Candidate(ip_address(text), 46821) for text in peers))
# Joining a group waits for every namespace that is being made or removed on the machine.
checks = [replace(check, deadline=30.0) for check in CHECKS if check.name in wanted]
report = asyncio.run(diagnose(checks=checks, setting=setting, deadline=100.0))
to_text(report)
print(report.to_json(indent=None))
"""


ALL = tuple(check.name for check in CHECKS)


QUICK = ALL[:-1]  # without the seconds that looking for others takes


def findings_in(
    host: Any, folder: Path, only: Sequence[str] = QUICK, peers: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    report = host.python(DIAGNOSE, json.dumps([str(folder), list(only), list(peers)]))
    return {finding["name"]: finding for finding in report["findings"]}


@pytest.mark.netns
def test_with_nothing_but_a_loopback_interface_every_check_has_its_say(folder: Path) -> None:
    report = diagnose_here(folder)
    assert [finding.name for finding in report.findings] == [check.name for check in CHECKS]
    by_name = {finding.name: finding.status.value for finding in report.findings}
    assert by_name["interfaces"] == "failed"
    assert by_name["addresses"] == "failed"
    assert by_name["multicast"] == by_name["broadcast"] == "skipped"
    assert by_name["ports"] == by_name["self-call"] == by_name["routes"] == "ok"
    assert not {"error", "timeout", "cut"} & set(by_name.values())


@pytest.mark.netns
def test_on_a_flat_lan_all_is_well(folder: Path) -> None:
    with lan(2, ipv6="fd12::/64", router=True) as network:
        found = findings_in(network.host(0), folder, peers=[network.host(1).address])
        assert {finding["status"] for finding in found.values()} == {"ok"}
        assert found["addresses"]["facts"]["candidates"][0]["address"] in ("192.168.1.10", "fd12::a")
        targets = found["multicast"]["facts"]["targets"]
        assert len(targets) == 3
        assert all(row["own_copy"] and row["join"] == row["send"] == "ok" for row in targets)
        (peer,) = found["routes"]["facts"]["peers"]
        assert (peer["source"], peer["interface"]) == ("192.168.1.10", "eth0")
        assert found["routes"]["facts"]["default_route_through"] == ["eth0"]


@pytest.mark.netns
def test_broken_interfaces_are_named_and_stop_nothing(folder: Path) -> None:
    with lan(1) as network:
        host = network.host(0)
        host.ip(
            "link add loose type veth peer name far",
            "addr add 172.17.0.1/16 dev loose",
            "link set loose up",
            "link add bare type bridge",
            "link set bare up",
            "link add down0 type bridge",
            "addr add 10.9.0.1/24 dev down0",
            "link set eth0 multicast off",
        )
        found = findings_in(host, folder)
        rows = {row["name"]: row for row in found["interfaces"]["facts"]["interfaces"]}
        assert {"loose", "bare", "down0", "eth0", "lo"} <= set(rows)
        assert (rows["loose"]["carrier"], rows["down0"]["up"]) == (False, False)
        assert (rows["loose"]["not_used"], rows["bare"]["not_used"]) == ("no carrier", "no address")
        assert rows["eth0"]["not_used"] == "multicast is off"
        assert found["interfaces"]["status"] == "ok"
        assert found["multicast"]["status"] == "skipped"
        assert not {"error", "timeout"} & {finding["status"] for finding in found.values()}


@pytest.mark.netns
def test_a_kill_switch_and_a_closed_firewall_leave_their_errno(folder: Path) -> None:
    find_tool("nft")
    with lan(1) as network:
        host = network.host(0)
        host.firewall()
        host.nft(
            "table inet out {\nchain o {\ntype filter hook output priority 0;\n"
            "ip daddr 239.0.0.0/8 drop\nip daddr 192.168.1.255 drop\n}\n}\n"
        )
        found = findings_in(host, folder, ["self-call", "multicast", "broadcast"])
        rows = {row["address"]: row for row in found["multicast"]["facts"]["targets"]}
        assert (rows["224.0.0.171"]["send"], rows["224.0.0.171"]["own_copy"]) == ("ok", False)
        assert rows["239.255.70.171"]["send"] == "EPERM"
        assert "239.255.70.171 on eth0: sending was refused (EPERM)" in found["multicast"]["summary"]
        assert found["broadcast"]["facts"]["targets"][0]["send"] == "EPERM"
        assert found["self-call"]["status"] == "ok", "a call to oneself does not meet the firewall"


@pytest.mark.netns
def test_a_tunnel_that_takes_the_lan_is_found(folder: Path) -> None:
    with lan(2) as network:
        host, away = network.host(0), network.namespace("vpn")
        network.cable(host, "tun0", away, "far0")
        host.ip(
            "addr add 10.8.0.6/24 dev tun0",
            "route add default via 10.8.0.1",
            "rule add pref 5270 lookup 52",
            "route add 192.168.1.0/24 dev tun0 table 52",
        )
        found = findings_in(host, folder, ["routes", "addresses"], [network.host(1).address])
        assert found["routes"]["status"] == "failed"
        assert "packets to 192.168.1.0/24 leave through tun0, not eth0" in found["routes"]["summary"]
        assert found["routes"]["facts"]["peers"][0]["interface"] == "tun0"
        assert {"family": 4, "priority": 5270, "table": 52} in found["routes"]["facts"]["policy_rules"]
        assert found["addresses"]["facts"]["stage"] == 2


@pytest.mark.netns
def test_taken_ports_are_told_with_their_holder(folder: Path) -> None:
    squat = "\n".join(
        [
            "import socket, sys",
            "held = []",
            "for kind, port in ((socket.SOCK_STREAM, 46821), (socket.SOCK_DGRAM, 46820)):",
            "    one = socket.socket(socket.AF_INET, kind); one.bind(('0.0.0.0', port)); held.append(one)",
            "held[0].listen()",
            "print('ready', flush=True)",
            "sys.stdin.read()",
        ]
    )
    with lan(1) as network:
        host = network.host(0)
        squatter = host.popen([sys.executable, "-c", squat], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert squatter.stdout.readline() == b"ready\n"
        found = findings_in(host, folder, ["ports", "multicast"])
        facts = found["ports"]["facts"]
        assert found["ports"]["status"] == "failed"
        assert [row["shared"] for row in facts["discovery"] if row["family"] == "IPv4"] == ["EADDRINUSE"]
        assert 46821 not in facts["pairing_ports_free"]
        refused = [
            (row["port"], row["kind"], row["family"], row["errno"]) for row in facts["pairing_ports_refused"]
        ]
        assert refused == [(46821, "tcp", 4, "EADDRINUSE")]
        assert any(holder.startswith("46820: ") for holder in facts["holders"])
        assert {row["join"] for row in found["multicast"]["facts"]["targets"]} == {"no socket"}


CAPTURE = """
import json, socket, sys, threading
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.settimeout(0.2)
print("ready", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
seen = set()
while not stop.is_set():
    try:
        frame = sniffer.recv(2000)
    except TimeoutError:
        continue
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800:
        seen.add((4, socket.inet_ntop(socket.AF_INET, frame[30:34]), frame[23], frame[22]))
    elif kind == 0x86DD:
        seen.add((6, socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[20], frame[21]))
    else:
        seen.add((kind, "", 0, 0))
print(json.dumps(sorted(seen)), flush=True)
"""


@pytest.mark.netns
def test_no_packet_leaves_but_to_the_groups_and_the_own_broadcast_address(folder: Path) -> None:
    with lan(2, ipv6="fd12::/64", router=True) as network:
        away = network.host(1)
        capture = away.popen(
            [sys.executable, "-c", CAPTURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert capture.stdout.readline() == "ready\n"
        found = findings_in(network.host(0), folder, ALL, [away.address, "10.99.0.1", "8.8.8.8"])
        assert found["multicast"]["status"] == found["discovery"]["status"] == "ok"
        capture.stdin.close()
        packets = json.loads(capture.stdout.readline())
    udp = {(address, hops) for _, address, protocol, hops in packets if protocol == socket.IPPROTO_UDP}
    assert {address for address, _ in udp} == {
        "224.0.0.171",
        "239.255.70.171",
        "ff12::6c70:6169:7273",
        "192.168.1.255",
    }
    assert {hops for address, hops in udp if address != "192.168.1.255"} == {1}
    assert not [packet for packet in packets if packet[2] == socket.IPPROTO_TCP]
    assert {kind for kind, *_ in packets} <= {4, 6}, "not even an ARP question"


BEACONS = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
print("ready", flush=True)
while True:
    one.sendto(b"LP" + bytes([1, 1]) + bytes(316), ("224.0.0.171", 46820))
    one.sendto(b"noise", ("224.0.0.171", 46820))
    time.sleep(0.1)
"""


@pytest.mark.netns
def test_foreign_beacons_are_counted_by_kind(folder: Path) -> None:
    with lan(2) as network:
        away = network.host(1)
        sender = away.popen([sys.executable, "-c", BEACONS, away.address], stdout=subprocess.PIPE)
        assert sender.stdout.readline() == b"ready\n"
        found = findings_in(network.host(0), folder, ["multicast"])
        heard = {(row["address"], row["kind"]): row for row in found["multicast"]["facts"]["heard"]}
        beacon = heard["192.168.1.20", "localpair beacon, version 1, mode 1"]
        assert beacon["packets"] > 1
        assert beacon["this_host"] is False
        assert ("192.168.1.20", "something else") in heard


DISCOVER = """
import asyncio
from localpair import discover
async def main():
    print("ready", flush=True)
    async for _ in discover(60):
        pass
asyncio.run(main())
"""


@pytest.mark.netns
def test_a_device_that_is_there_is_found_finds_us_and_says_where(folder: Path) -> None:
    with lan(2) as network:
        other = network.host(1).popen([sys.executable, "-c", DISCOVER], stdout=subprocess.PIPE)
        assert other.stdout.readline() == b"ready\n"
        discovery = findings_in(network.host(0), folder, ["discovery"])["discovery"]
        assert discovery["status"] == "ok"
        (peer,) = discovery["facts"]["peers"]
        assert peer["hears_us"]
        assert [row["address"] for row in peer["addresses"]] == ["192.168.1.20"]
        assert {(row["address"], row["by"]) for row in discovery["facts"]["seen_at"]} == {
            ("192.168.1.10", "192.168.1.20")
        }


@pytest.mark.netns
def test_addresses_still_under_duplicate_detection_are_left_out(folder: Path) -> None:
    with Lan(1, ipv6=True, dad=True) as network:
        host = network.host(0)
        host.sysctl(net__ipv6__conf__eth0__dad_transmits=100)
        host.ip("link set eth0 down", "link set eth0 up")
        found = findings_in(host, folder, ["interfaces", "addresses", "self-call", "multicast"])
        assert {finding["status"] for finding in found.values()} == {"ok"}
        (eth0,) = [row for row in found["interfaces"]["facts"]["interfaces"] if row["name"] == "eth0"]
        assert ["tentative"] in [row["state"] for row in eth0["addresses"]]
        assert ["duplicate" in row.get("skipped", "") for row in found["self-call"]["facts"]["calls"]].count(
            True
        ) == 1
        assert {row["address"] for row in found["multicast"]["facts"]["targets"]} == {
            "224.0.0.171",
            "239.255.70.171",
        }
