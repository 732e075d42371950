"""What a person is told: a sentence, and commands that open localpair's ports and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest

from cause_cases import CASES, Case
from localpair.causes.facts import FirewallKind, HostSystem, LinkFacts, PeerFacts
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Place
from localpair.causes.words import _HINTS, _PHRASES
from localpair.limits import DISCOVERY_PORT, PAIRING_PORTS
from run_facts import dropping_host, stuck_joiner

OURS = range(DISCOVERY_PORT, PAIRING_PORTS[-1] + 1)


def hint_of_host(**more: object) -> str:
    (found,) = judge(replace(dropping_host(), **more), stuck_joiner()).explanations  # type: ignore[arg-type]
    assert found.cause is Cause.FIREWALL_INBOUND
    assert found.device is Place.HERE
    return found.hint


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (FirewallKind.UFW, "`sudo ufw allow 46820:46829/tcp` and `sudo ufw allow 46820:46829/udp`"),
        (FirewallKind.FIREWALLD, "--add-port=46820-46829/tcp --add-port=46820-46829/udp`"),
        (FirewallKind.NFTABLES, "`sudo nft insert rule inet filter input tcp dport 46820-46829 accept`"),
        (FirewallKind.IPTABLES, "`sudo iptables -I INPUT -p udp --dport 46820:46829 -j ACCEPT`"),
    ],
)
def test_the_command_is_that_of_the_firewall_that_is_there(kind: FirewallKind, command: str) -> None:
    assert command in hint_of_host(firewalls=(kind,))


def test_whoever_manages_a_packet_filter_is_asked_to_change_it() -> None:
    assert "ufw" in hint_of_host(firewalls=(FirewallKind.NFTABLES, FirewallKind.IPTABLES, FirewallKind.UFW))


def test_other_systems_have_their_own_ways() -> None:
    assert "netsh advfirewall" in hint_of_host(platform=HostSystem.WINDOWS, firewalls=())
    assert "System Settings" in hint_of_host(platform=HostSystem.MACOS, firewalls=())
    assert "TCP and UDP ports 46820 to 46829" in hint_of_host(platform=HostSystem.OTHER, firewalls=())


def test_firewalld_is_told_the_zone_of_the_interface() -> None:
    assert "--zone=$(firewall-cmd --get-zone-of-interface=eth0)" in hint_of_host(
        firewalls=(FirewallKind.FIREWALLD,)
    )


def test_a_port_that_a_person_chose_is_the_one_to_open() -> None:
    assert "50000:50000/tcp" in hint_of_host(tcp_port=50_000)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", [None, *FirewallKind], ids=str)
def test_no_hint_opens_more_than_the_own_ports(case: Case, kind: FirewallKind | None) -> None:
    kinds = (kind,) if kind else ()
    theirs = case.theirs and replace(case.theirs, firewalls=kinds, tcp_port=22)
    for one in judge(replace(case.mine, firewalls=kinds), theirs).explanations:
        for number in re.findall(r"(?<![\d.])\d{2,5}(?![\d.])", one.hint):
            assert int(number) in OURS or number in ("1280", "1500")  # MTUs
        assert "flush" not in one.hint
        assert "disable" not in one.hint


def test_what_the_other_device_says_stands_in_no_command() -> None:
    """It names its interfaces and ports as it likes."""
    mine, theirs = stuck_joiner(), dropping_host(firewalls=(FirewallKind.FIREWALLD,), tcp_port=22)
    assert theirs.links is not None
    evil = "eth0;reboot"
    links = tuple(replace(one, name=evil, reverse_path=1) for one in theirs.links)
    lying = replace(theirs, links=links, peer=PeerFacts(claims=(ip_address("0.0.0.0"),)))
    for one in judge(mine, lying).explanations:
        assert evil not in one.hint
        assert "`" not in one.hint or "reboot" not in one.hint


def test_an_own_interface_of_an_odd_name_stands_in_no_command() -> None:
    theirs = dropping_host()
    assert theirs.links is not None
    odd: tuple[LinkFacts, ...] = tuple(replace(one, name="a$(id)") for one in theirs.links)
    assert "$(id)" not in hint_of_host(links=odd, firewalls=(FirewallKind.FIREWALLD,))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_explanation_reads_as_a_sentence(case: Case) -> None:
    for one in judge(case.mine, case.theirs).explanations:
        for text in (one.sentence, one.hint, *one.evidence):
            assert text
            assert "{" not in text
            assert not text.endswith(".")
        assert one.evidence


def test_every_cause_has_its_words() -> None:
    assert set(_PHRASES) == set(Cause)
    assert set(_HINTS) == set(Cause) - {Cause.FIREWALL_INBOUND}
