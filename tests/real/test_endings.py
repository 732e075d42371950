"""How a run ends before there is a pair, and how soon the other device knows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devices import Device, Home
from netns import Lan, lan

pytestmark = [pytest.mark.netns, pytest.mark.slow]
SOON_S = 5.0  # from a word to the end of a process that heard it, on a busy machine; without it 20 s and more


def homes(network: Lan, folder: Path) -> tuple[Home, Home]:
    host, join = (Home(network.host(number), folder / str(number)) for number in range(2))
    return host, join


def keep_calls_out(network: Lan) -> None:
    """No TCP gets in, and so discovery alone tells."""
    for one in network.hosts:
        one.nft(
            "table inet f {\nchain i {\ntype filter hook input priority 0\nmeta l4proto tcp iif != lo drop\n}\n}\n"
        )


def how_it_ended(device: Device) -> tuple[str, list[list[str]], int]:
    code = device.end()
    (failed,) = device.of("failed")
    (verdict,) = device.of("verdict")
    return failed["reason"], [one["causes"] for one in verdict["causes"]], code


def test_a_search_ends_as_soon_as_its_host_does(tmp_path: Path) -> None:
    with lan(2) as network:
        keep_calls_out(network)
        host, join = homes(network, tmp_path)
        hosting = host.host()
        joining = join.join(hosting.wait("offer")["offer"], "--timeout", "30")
        joining.wait("peer")
        hosting.interrupt()
        began = time.monotonic()
        assert how_it_ended(joining) == ("ended", [["host-ended"]], 3)
        assert time.monotonic() - began < SOON_S
    assert "error: the other device ended" in joining.talk
    assert "localpair host" in joining.talk


def test_a_host_whose_time_is_up_says_so_too_and_why_nothing_came_of_it_stays_the_cause(
    tmp_path: Path,
) -> None:
    with lan(2) as network:
        keep_calls_out(network)
        host, join = homes(network, tmp_path)
        hosting = host.host("--timeout", "8")
        joining = join.join(hosting.wait("offer")["offer"], "--timeout", "30")
        hosting.end()
        began = time.monotonic()
        reason, causes, code = how_it_ended(joining)
        assert time.monotonic() - began < SOON_S
    assert (reason, code) == ("ended", 3)
    assert causes
    assert all("firewall-inbound" in one for one in causes)
    assert "peer-ended" in [note["note"] for note in joining.of("verdict")[0]["notes"]]


def test_a_host_waits_on_when_the_other_device_ends_and_says_so(tmp_path: Path) -> None:
    with lan(2) as network:
        host, join = homes(network, tmp_path)
        network.host(0).nft(
            "table inet f {\nchain i {\ntype filter hook input priority 0\nmeta l4proto tcp iif != lo drop\n}\n"
            "chain o {\ntype filter hook output priority 0\nmeta l4proto tcp oif != lo drop\n}\n}\n"
        )
        hosting = host.host("--timeout", "60")
        offer = hosting.wait("offer")["offer"]
        joining = join.join(offer)
        found = joining.wait("peer", lambda event: event["hears_us"])
        joining.interrupt()
        told = hosting.wait("ended", limit_s=5)
        assert told["alias"]
        assert told["instance"] == hosting.wait("peer")["instance"] != found["instance"]
        network.host(0).run(["nft", "flush", "ruleset"])
        again = join.join(offer)
        again.wait("paired")
        assert (again.end(), hosting.end()) == (0, 0)
    assert len(hosting.of("offer")) == 1
    assert len(hosting.of("ended")) == 1


def test_an_old_offer_ends_within_seconds_and_the_host_says_who_came(tmp_path: Path) -> None:
    with lan(2) as network:
        host, join = homes(network, tmp_path)
        earlier = host.host()
        old = earlier.wait("offer")["offer"]
        earlier.interrupt()
        hosting = host.host()
        hosting.wait("offer")
        began = time.monotonic()
        joining = join.join(old, "--timeout", "60")
        reason, causes, code = how_it_ended(joining)
        assert time.monotonic() - began < 8.0
        hosting.wait("call", lambda event: event["reach"] == "stranger", limit_s=5)
        hosting.interrupt()
    assert (reason, causes, code) == ("unreachable", [["stale-offer"]], 3)
    assert "error: this offer is old" in joining.talk


def test_another_device_at_the_offered_address_is_told_from_an_old_offer(tmp_path: Path) -> None:
    with lan(2) as network:
        host, join = homes(network, tmp_path)
        earlier = host.host()
        old = earlier.wait("offer")["offer"]
        earlier.interrupt()
        hosting = Home(network.host(0), tmp_path / "another").host()
        hosting.wait("offer")
        reason, causes, code = how_it_ended(join.join(old, "--timeout", "60"))
        hosting.interrupt()
    assert (reason, causes, code) == ("unreachable", [["wrong-identity", "stale-offer"]], 3)


def test_another_device_at_one_offered_address_does_not_end_the_search_for_the_issuer(tmp_path: Path) -> None:
    """The issuer has moved, and somebody else who hosts, too, has its old address."""
    with lan(3) as network:
        host, join = homes(network, tmp_path)
        third = Home(network.host(2), tmp_path / "third")
        hosting = host.host()
        offer = hosting.wait("offer")["offer"]
        network.host(0).ip(
            f"addr del {network.host(0).address}/24 dev eth0", "addr add 192.168.1.77/24 dev eth0"
        )
        network.host(2).ip(f"addr add {network.host(0).address}/24 dev eth0")
        third.host().wait("offer")
        joining = join.join(offer)
        joining.wait("paired")
        assert joining.end() == 0
