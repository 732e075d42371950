"""What a device may send: the numbers are the product's, every kind of violation is found, and nothing else."""

from __future__ import annotations

import dataclasses
import errno
import io
import struct
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, cast

import pytest
from localpair_lab import decoy
from localpair_lab.fabric.traffic import capture
from localpair_lab.fabric.traffic.capture import Tap
from localpair_lab.fabric.traffic.frames import FrameHeader
from localpair_lab.fabric.traffic.pcapng import INBOUND, OUTBOUND, CaptureWriter, packets
from localpair_lab.judge import traffic_limits
from localpair_lab.judge.conformance import Circumstances, check_conformance, circumstances
from localpair_lab.judge.packets import CapturedPacket, read_node
from localpair_lab.judge.traffic_limits import Span
from localpair_lab.oracle.multicast import DISCOVERY_PORT, GROUPS
from localpair_lab.timeline import ActionRecord, Record, SeenEvent

from localpair import limits
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, Carrier, Heard
from localpair.protocol.keyring import Keyring
from localpair.wire.beacon import INSTANCE_BYTES, Part

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from conftest import PlanOf

ALICE, BOB, STRANGER, GATE, FAR = "192.168.1.10", "192.168.1.20", "192.168.1.66", "192.168.1.1", "89.16.9.9"
GROUP, BROADCAST = "224.0.0.171", "192.168.1.255"
HERE = Circumstances(
    node="alice",
    own=frozenset({ALICE}),
    subnets=(ip_network("192.168.1.0/24"), ip_network("89.16.1.0/24")),
    broadcasts=frozenset({BROADCAST}),
    tunnels=frozenset({"alice/tun0"}),
    known=frozenset({BOB}),
    gateways=frozenset({GATE}),
    ports=frozenset({DISCOVERY_PORT, *traffic_limits.PAIRING_PORTS}),
    spans=(Span(10.0),),
)


def packet(source: str, to: str, port: int, **more: object) -> FrameHeader:
    """A datagram; ``more`` are further fields of it."""
    address = ip_address(to)
    cast = "multicast" if address.is_multicast else "broadcast" if to == BROADCAST else "unicast"
    plain = FrameHeader(
        f"ipv{address.version}",
        "udp",
        cast,
        ip_address(source).packed,
        address.packed,
        46821,
        port,
        348,
        hops=1,
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def out(
    to: str, port: int = 46821, *, on: str = "alice/eth0", times: int = 1, source: str = ALICE, **more: object
) -> list[CapturedPacket]:
    return [CapturedPacket(0, on, True, packet(source, to, port, **more))] * times


def heard(source: str, first: bytes = b"LP\x01\x00") -> list[CapturedPacket]:
    return [CapturedPacket(0, "alice/eth0", False, packet(source, GROUP, DISCOVERY_PORT, first=first))]


def dials(to: str, port: int, times: int, *, syns: int = 1, source: str = ALICE) -> list[CapturedPacket]:
    return [
        one
        for number in range(times)
        for one in out(
            to,
            port,
            times=syns,
            protocol="tcp",
            syn=True,
            source=source,
            source_port=40_000 + number,
            first=struct.pack("!I", number),
        )
    ]


def asked(address: str, times: int = 1) -> list[CapturedPacket]:
    question = FrameHeader(
        protocol="arp", source=ip_address(ALICE).packed, destination=ip_address(address).packed
    )
    return [CapturedPacket(0, "alice/eth0", True, question)] * times


def wanted(*seen: list[CapturedPacket], of: Circumstances = HERE) -> list[str]:
    return [fault[0] for fault in check_conformance(of, [one for part in seen for one in part])]


# --- the numbers ---


@pytest.mark.parametrize(
    "name",
    [
        "DISCOVERY_PORT", "PAIRING_PORTS", "DIAL_PORTS", "MULTICAST_HOPS", "BEACON_BYTES", "ANSWER_BURST",
        "ANSWER_REFILL_S", "FACTS_BEACONS", "FACTS_BEACONS_REFILL_S", "PROBE_GAPS_S",
        "PROBE_WAITING_S", "NEIGHBOUR_PROBES", "NEIGHBOUR_PROBES_REFILL_S",
        "SWEEP_ADDRESSES", "SWEEP_WAITING_EVERY_S", "TARGETS", "SECRETS_PER_BEAT",
        "RETRY_GAPS_S", "PUNCH_GAPS_S", "SIMULTANEOUS_DIALS", "RENDEZVOUS_ROUNDS", "RENDEZVOUS_GAPS_S",
        "PACKET_DIALS_PER_SOURCE", "PACKET_DIALS_WINDOW_S", "RESUME_S",
    ],
)  # fmt: skip
def test_the_labs_numbers_are_the_products(name: str) -> None:
    assert getattr(traffic_limits, name) == getattr(limits, name)


def test_the_numbers_of_other_names_are_the_products_too() -> None:
    beat = (
        traffic_limits.BURST_S,
        traffic_limits.BEAT_S,
        traffic_limits.JITTER,
        traffic_limits.SLOW_AFTER_S,
        traffic_limits.SLOW_BEAT_S,
    )
    assert beat == (
        limits.BEACON_BURST_S, limits.BEACON_BEAT_S, limits.BEACON_JITTER, limits.BEACON_SLOW_AFTER_S,
        limits.BEACON_SLOW_BEAT_S,
    )  # fmt: skip
    assert traffic_limits.LOWEST_PORT == limits.LOWEST_DIALLED_PORT
    assert len(limits.SWEEP_AFTER_S) == len(limits.SWEEP_WAITING_AFTER_S) == traffic_limits.SWEEPS
    assert set(GROUPS) == {limits.GROUP_LINK_LOCAL, limits.GROUP_SCOPED, limits.GROUP_IPV6}


def discovery(seed: int) -> Discovery:
    me = Self(Part.HOST, bytes(INSTANCE_BYTES), bytes([seed]) * 32, 46821, 46821)
    return Discovery(me, Keyring(), 0.0)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 5.0, 20.0, 29.0, 31.0, 60.0, 300.0])
@pytest.mark.parametrize("seed", range(8))
def test_the_machine_keeps_to_the_budget_and_comes_near_to_it(seconds: float, seed: int) -> None:
    machine, now, beats = discovery(seed), 0.0, 0
    while now <= seconds:
        before = machine._beats
        machine.timer(now)
        beats += machine._beats - before
        now = machine.deadline() or seconds + 1
    most = Span(seconds).beats
    assert beats < most
    assert most <= beats * 1.4 + 4, "a budget that nothing can break is none"


def test_a_beat_three_times_as_fast_breaks_the_budget() -> None:
    usual = Span(20.0).beats
    assert (
        len(traffic_limits.BURST_S) + 3 * (20.0 - traffic_limits.BURST_S[-1]) / traffic_limits.BEAT_S
        > 1.5 * usual
    )


def test_budgets_grow_with_what_happens() -> None:
    once = Span(10.0)
    assert Span(10.0, bursts=2).beats == once.beats + len(traffic_limits.BURST_S)
    assert Span(10.0, secrets=3).beats == 3 * once.beats
    assert Span(70.0).beats - Span(60.0).beats <= 3
    assert (once.probes, once.answers, once.calls) == (4, 6, 8)
    assert [Span(10.0, networks=n).swept for n in (1, 2, 3)] == [1024, 2048, 2048], "there are two sweeps"
    waiting = [Span(seconds, networks=9, waits=True) for seconds in (10.0, 60.0, 120.0)]
    assert [(span.probes, span.swept) for span in waiting] == [(28, 2048), (83, 5 * 1024), (95, 8 * 1024)]
    assert once.probes_in_all == 2 * 1024 + 512 + 11 * 32
    assert [span.probes_in_all - span.swept for span in waiting] == [512 + s * 32 for s in (11, 61, 121)]
    assert [Span(s).tries for s in (0.0, 1.0, 3.0, 5.0)] == [2, 3, 4, 5]


# --- what is right ---


def test_a_usual_search_is_right() -> None:
    carried = [out(group, DISCOVERY_PORT, times=Span(10.0).beats) for group in (*GROUPS, BROADCAST)]
    probes = [out(f"192.168.1.{number}", times=4) for number in range(100, 200)]
    questions = [asked(f"192.168.1.{number}", 12) for number in range(100, 200)]
    rest = [heard(BOB), dials(BOB, 46821, 5), dials(BOB, 46831, 5), asked(GATE), asked(BOB)]
    assert wanted(*carried, *probes, *questions, *rest) == []


def test_what_was_heard_may_be_answered_and_dialled() -> None:
    answer = out(FAR, 50_000)
    assert wanted(heard(FAR), answer, out(FAR), dials(FAR, 46822, 1)) == []
    assert wanted(answer) == ["answer only where a beacon came from"]


def test_what_comes_in_is_nobodys_fault() -> None:
    inbound = [dataclasses.replace(one, outbound=False) for one in out("127.0.0.1", 80, times=500)]
    assert wanted(inbound) == []


def test_another_program_on_the_device_is_not_localpair() -> None:
    other = out(GROUP, DISCOVERY_PORT, source_port=5353, times=500)
    assert wanted(other) == ["send datagrams from its own ports only"]
    assert wanted(other, of=dataclasses.replace(HERE, alone=False)) == []


# --- what is wrong ---

PRIVATE = "write to its own links and to known addresses only"
NOBODY = "never write to an address that is nobody's"
KNOWN = "call offered addresses and heard devices only"


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (out("239.1.2.3", DISCOVERY_PORT), "multicast to its own groups only"),
        (out(GROUP, 5353), "multicast to its own groups only"),
        (out(GROUP, DISCOVERY_PORT, hops=4), "multicast with the hop limit 1"),
        (out("255.255.255.255", DISCOVERY_PORT), NOBODY),
        (out("127.0.0.1"), NOBODY),
        (out("0.0.0.0"), NOBODY),
        (out("::1"), NOBODY),
        (out(BOB, 53), "never call a system service"),
        (out("8.8.8.8"), PRIVATE),
        (out("10.1.1.1"), PRIVATE),
        (out("89.16.1.7"), PRIVATE),  # on an own link, but public: nobody is looked for there
        (heard(STRANGER, b"junk") + out("10.9.9.9"), PRIVATE),
        (out(STRANGER, on="alice/tun0"), "never probe over a tunnel"),
        (asked("89.16.1.7"), "ask for addresses of its own private links only"),
        (asked("10.1.1.1"), "ask for addresses of its own private links only"),
        (dials("127.0.0.1", 46821, 1), NOBODY),
        (dials(BOB, 22, 1), "never call a system service"),
        (dials("8.8.8.8", 46821, 1), KNOWN),
        (dials(STRANGER, 46821, 1), KNOWN),
    ],
)
def test_a_packet_to_a_wrong_place_is_found(seen: list[CapturedPacket], fault: str) -> None:
    assert wanted(seen) == [fault]


SPECIAL = dataclasses.replace(
    HERE,
    own=frozenset({"198.18.5.10", "2001:db8:1::10"}),
    subnets=(ip_network("198.18.5.0/24"), ip_network("2001:db8:1::/64")),
    known=frozenset({"198.18.5.20", "198.18.6.20", "2001:db8:2::20"}),
)


def test_on_a_lan_out_of_a_special_block_neighbours_are_probed_and_asked_for() -> None:
    seen = (
        out("198.18.5.66", source="198.18.5.10"),
        asked("198.18.5.66"),
        out("198.18.5.20", source="198.18.5.10"),
    )
    assert wanted(*seen, of=SPECIAL) == []
    assert wanted(out("2001:db8:2::20", source="2001:db8:1::10"), of=SPECIAL) == []


@pytest.mark.parametrize("address", ["198.18.6.20", "192.0.2.20", "240.1.2.20", "3fff::20"])
def test_an_address_of_special_purpose_beyond_the_own_subnets_is_never_called(address: str) -> None:
    source = "2001:db8:1::10" if ":" in address else "198.18.5.10"
    for seen in (out(address, source=source), dials(address, 46821, 1, source=source)):
        assert "call addresses of special purpose in own subnets only" in wanted(seen, of=SPECIAL)


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (out(GROUP, DISCOVERY_PORT, times=17), "send at most 16 datagrams to 224.0.0.171 out of alice/eth0"),
        (
            out(BROADCAST, DISCOVERY_PORT, times=17),
            "send at most 16 datagrams to 192.168.1.255 out of alice/eth0",
        ),
        (out(BOB, times=43), "send at most 42 datagrams to 192.168.1.20 out of alice/eth0"),
        (out(STRANGER, times=5), "send at most 4 probes of 192.168.1.66"),
        (asked(STRANGER, 13), "send at most 12 questions for 192.168.1.66"),
        (heard(FAR) + out(FAR, 50_000, times=7), "send at most 6 answers"),
        (dials(BOB, 46821, 16), "send at most 15 dials to 192.168.1.20 port 46821 out of alice/eth0"),
        (dials(BOB, 46821, 1, syns=4), "send at most 3 SYNs of one dial to 192.168.1.20 port 46821"),
        (
            heard(STRANGER) + [one for port in range(9) for one in dials(STRANGER, 50_000 + port, 1)],
            "send at most 8 confirmations to 192.168.1.66",
        ),
    ],
)
def test_a_packet_too_many_is_found(seen: list[CapturedPacket], fault: str) -> None:
    assert wanted(seen) == [fault]
    assert wanted(seen[:-1]) == [], "and the one before it is within the budget"


def test_only_whoever_refuses_gets_volleys_and_not_without_end() -> None:
    def simultaneous_opens(times: int) -> list[CapturedPacket]:
        return [one for port in range(times) for one in dials(BOB, 50_000 + port, 1)]

    refusal = [
        CapturedPacket(0, "alice/eth0", False, packet(BOB, ALICE, 40_000, protocol="tcp", refusal=True))
    ]
    most = 8 + (12 + 11) * 8 * 2
    assert wanted(refusal, simultaneous_opens(most)) == []
    assert wanted(out(BOB, 40_000, protocol="tcp", refusal=True), simultaneous_opens(most)) == [], (
        "it was this side that refused"
    )
    assert wanted(refusal, simultaneous_opens(most + 1)) == [f"send at most {most} confirmations to {BOB}"]
    assert wanted(simultaneous_opens(9)) == [f"send at most 8 confirmations to {BOB}"]
    assert wanted(out(BOB, times=42 + 3 * 23), refusal) == []
    assert wanted(out(BOB, times=43 + 3 * 23), refusal) != []


def test_a_neighbour_on_two_ports_is_probed_by_each() -> None:
    twins = out(STRANGER, times=4), out(STRANGER, times=4, on="alice/eth1")
    assert wanted(*twins) == []
    assert wanted(*twins, out(STRANGER, on="alice/eth1")) == [f"send at most 4 probes of {STRANGER}"]


def test_each_way_to_an_address_has_its_own_dials() -> None:
    """Cards on one wire answer for each other's addresses, so that one may have to dial from the other's."""
    other = "192.168.1.12"
    twins = dataclasses.replace(HERE, own=HERE.own | {other})
    both = dials(BOB, 46821, 15), dials(BOB, 46821, 15, source=other)
    assert wanted(*both, of=twins) == []
    assert wanted(*both, dials(BOB, 46821, 16, source=other)[-1:], of=twins) == [
        f"send at most 15 dials to {BOB} port 46821 out of alice/eth0"
    ]


def test_a_sweep_too_wide_is_found() -> None:
    wide = dataclasses.replace(HERE, subnets=(ip_network("10.20.0.0/16"),))
    places = [f"10.20.{number >> 8}.{number & 255}" for number in range(1, 1026)]
    assert wanted(*(asked(one) for one in places), of=wide) == ["send at most 1024 addresses probed"]
    half = [asked(one) if number % 2 else out(one) for number, one in enumerate(places)]
    assert wanted(*half, of=wide) == ["send at most 1024 addresses probed"]
    assert wanted(*half[:1024], of=wide) == []
    near = dataclasses.replace(wide, gateways=frozenset(places[1024:]))
    assert wanted(*half[:1024], out(places[1024]), of=near) == [], "a gateway is a neighbour, too"
    neighbour = heard(places[0], b"")
    assert wanted(neighbour, *half, of=wide) == [], "whoever was heard is a neighbour, found without asking"


def test_a_neighbour_beyond_the_own_mask_is_probed_on_its_link_and_by_no_router() -> None:
    asker, router = b"\x02asker", b"\x02route"
    question = FrameHeader(
        protocol="arp", source=ip_address("10.9.9.9").packed, destination=ip_address(ALICE).packed
    )
    asks = [CapturedPacket(0, "alice/eth0", False, question, sender=asker)]

    def probe(address: str, receiver: bytes, on: str = "alice/eth0") -> list[CapturedPacket]:
        return [dataclasses.replace(one, receiver=receiver) for one in out(address, on=on)]

    assert wanted(asks, probe("10.9.9.9", asker)) == []
    assert wanted(asks, probe("10.9.9.9", asker) * 5) == ["send at most 4 probes of 10.9.9.9"]
    assert wanted(asks, probe("10.9.9.9", router)) == [PRIVATE]
    assert wanted(asks, probe("10.9.9.9", asker, on="alice/eth1")) == [PRIVATE]
    assert wanted(asks, probe("10.9.9.8", asker)) == [PRIVATE]


def test_too_many_targets_are_found() -> None:
    known = [f"10.0.0.{number}" for number in range(1, 34)]
    here = dataclasses.replace(HERE, known=frozenset(known))
    assert wanted(*(out(one) for one in known), of=here) == ["send at most 32 addresses written to"]


def test_many_violations_of_a_kind_are_told_once() -> None:
    (fault,) = check_conformance(HERE, [one for number in range(9) for one in out(f"8.8.8.{number}")])
    assert fault[1].startswith("udp from port 46821 to 8.8.8.0 port 46821, out of alice/eth0; ")
    assert fault[1].endswith(", and 6 more")


# --- what a run says of a device ---

TWO = """
networks: {lan: 192.168.1.0/24, guest: 10.0.0.0/24, corp: {kind: tunnel, ip: 10.8.0.0/24, hub: 10.8.0.1}}
devices:
  alice: {interfaces: [{network: lan, ip: 192.168.1.10}, {network: corp, name: tun0, ip: 10.8.0.6}]}
  bob: {on: {lan: 192.168.1.20}}
events: [{at: 3s, do: roam, interface: alice/eth0, to: guest, ip: 10.0.0.7}]
pair: {host: bob, join: alice}
expect: [{of: join, outcome: paired}]
"""


def record(**times: float) -> Record:
    """Both actions start at 1 s; ``times`` are those of the joiner."""
    ready = SeenEvent(
        1.0, "ready", {"ports": {"tcp": 50_100, "udp": 50_100}, "addresses": [{"address": FAR}]}
    )
    host = ActionRecord("host", "bob", "host", started=1.0, ended=9.0, exit=0, seen=[ready])
    join = ActionRecord("join", "alice", "join", started=1.0, ended=times.get("ended"), exit=0)
    for name in ("paired", "reconnected"):
        if name in times:
            join.seen.append(SeenEvent(times[name], name, {}))
    return Record(actions={"host": host, "join": join}, elapsed_s=30.0)


def test_circumstances_are_those_of_all_the_time(plan_of: PlanOf) -> None:
    plan = plan_of(TWO)
    found = circumstances(plan, record(ended=21.0), plan.node("alice"))
    assert {"192.168.1.10", "10.0.0.7", "10.8.0.6"} <= found.own
    assert set(found.subnets) == {ip_network("192.168.1.0/24"), ip_network("10.0.0.0/24")}
    assert found.broadcasts == {"192.168.1.255", "10.0.0.255"}
    assert found.tunnels == {"alice/tun0"}
    assert found.known == {BOB, FAR}
    assert 50_100 in found.ports
    assert found.spans == (Span(20.0, bursts=4, networks=2),)


def test_a_pair_is_silent_until_it_is_lost(plan_of: PlanOf) -> None:
    plan = plan_of(TWO.replace("at: 3s, do: roam, interface: alice/eth0", "at: 3s, do: roam, interface: bob"))
    node = plan.node("alice")
    assert circumstances(plan, record(paired=2.5, ended=29.0), node).spans == (Span(1.5),)
    again = record(paired=2.5, reconnected=8.0, ended=29.0)
    assert circumstances(plan, again, node).spans == (Span(21.5, bursts=2),)


def test_an_issuer_that_waits_for_the_last_word_announces_by_two_secrets(plan_of: PlanOf) -> None:
    plan, node = plan_of(TWO), "bob"
    told = record()
    told.actions["host"].seen += [SeenEvent(3.0, "approval", {}), SeenEvent(3.5, "paired", {})]
    (at_once,) = circumstances(plan, told, plan.node(node)).spans
    assert (at_once.seconds, at_once.secrets) == (2.5, 1)
    told.actions["host"].seen[-1] = SeenEvent(8.0, "paired", {})
    (late,) = circumstances(plan, told, plan.node(node)).spans
    assert (late.seconds, late.secrets) == (7.0, 2)


def test_an_offer_without_addresses_makes_nothing_known(plan_of: PlanOf) -> None:
    plan = plan_of(TWO.replace("join: alice}", "join: alice, offer_addresses: none}"))
    assert FAR not in circumstances(plan, record(ended=9.0), plan.node("alice")).known


@pytest.mark.parametrize(
    ("candidate", "errno", "refused"),
    [
        (f"{ALICE}:46830", "EHOSTUNREACH", True),
        (f"{ALICE}:46830", "ETIMEDOUT", False),
        (f"{ALICE}:46821", "ECONNREFUSED", False),
    ],
)
def test_a_dial_refused_inside_the_other_device_asks_for_volleys_too(
    plan_of: PlanOf, candidate: str, errno: str, refused: bool
) -> None:
    """Its own firewall, or a router of its own: no capture between the two shows who said no."""
    told = record(ended=9.0)
    told.actions["host"].seen.append(SeenEvent(3.0, "attempt", {"candidate": candidate, "errno": errno}))
    plan = plan_of(TWO)
    found = circumstances(plan, told, plan.node("alice"))
    simultaneous_opens = [one for port in range(9) for one in dials(BOB, 50_200 + port, 1)]
    assert (wanted(simultaneous_opens, of=found) == []) == refused


@pytest.mark.parametrize(("address", "refused"), [(ALICE, BOB), (FAR, "")])
def test_a_refusal_between_others_allows_nothing(plan_of: PlanOf, address: str, refused: str) -> None:
    told = record(ended=9.0)
    told.actions["host"].seen.append(
        SeenEvent(3.0, "attempt", {"candidate": f"{address}:46830", "errno": "EPERM"})
    )
    plan = plan_of(TWO)
    assert (BOB in circumstances(plan, told, plan.node("alice")).refused) == (refused == BOB)


# --- captures ---


def ethernet(kind: int, body: bytes) -> bytes:
    return bytes(12) + kind.to_bytes(2, "big") + body


def datagram(source: str, to: str, port: int, payload: bytes, *, hops: int = 1) -> bytes:
    udp = struct.pack("!HHHH", 46821, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, hops, 17, 0)
    return head + ip_address(source).packed + ip_address(to).packed + udp


def test_captures_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    question = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + bytes(6) + ip_address(ALICE).packed + bytes(6)
    with (tmp_path / "alice.eth0.pcapng").open("wb") as file:
        writer = CaptureWriter(file, "alice/eth0")
        writer.packet(
            10, ethernet(0x800, datagram(ALICE, GROUP, DISCOVERY_PORT, b"LP\x01\x00")), 400, OUTBOUND
        )
        writer.packet(30, ethernet(0x806, question + ip_address(BOB).packed), 42, OUTBOUND)
    with (tmp_path / "alice.tun0-2.pcapng").open("wb") as file:
        CaptureWriter(file, "alice/tun0", bare=True).packet(
            20, datagram(FAR, ALICE, 9, b"", hops=64), 28, INBOUND
        )
    (tmp_path / "alicia.eth0.pcapng").write_bytes(b"")
    first, second, third = read_node(tmp_path, "alice")
    assert [one.at_ns for one in (first, second, third)] == [10, 20, 30]
    assert [one.port for one in (first, second, third)] == ["alice/eth0", "alice/tun0", "alice/eth0"]
    assert [one.outbound for one in (first, second, third)] == [True, False, True]
    assert (first.packet.hops, first.packet.first, first.packet.cast) == (1, b"LP\x01\x00", "multicast")
    assert (second.packet.family, second.packet.source) == ("ipv4", ip_address(FAR).packed)
    assert third.packet.destination == ip_address(BOB).packed


class Backlog:
    """A packet socket with frames that wait."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.is_closed = False

    def recvmsg(self, *_: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, int, int]]:
        self.frames -= 1
        if self.frames == 4_000:
            raise OSError(errno.ENETDOWN, "the link went down")
        if self.frames < 0:
            raise BlockingIOError
        return b"frame", [], 0, ("eth0", 0x800, 0)

    def close(self) -> None:
        self.is_closed = True


def test_a_capture_ends_with_all_that_has_arrived(tmp_path: Path) -> None:
    path, waiting = tmp_path / "alice.eth0.pcapng", Backlog(5_001)
    file = path.open("wb")
    capture.finish(
        {7: Tap(cast("socket.socket", waiting), file, CaptureWriter(file, "alice/eth0"), is_inner=False)}
    )
    assert waiting.is_closed
    assert len(list(packets(path.read_bytes()))) == 5_000


def test_a_capture_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    file = io.BytesIO()
    writer = CaptureWriter(file, "alice/eth0")
    writer.packet(1, b"12345", 5, INBOUND)
    writer.packet(2, b"1234", 4, OUTBOUND)
    whole = file.getvalue()
    assert [(one.name, one.at_ns, one.frame) for one in packets(whole)] == [
        ("alice/eth0", 1, b"12345"), ("alice/eth0", 2, b"1234"),
    ]  # fmt: skip
    for cut in range(1, len(whole)):
        assert len(list(packets(whole[:-cut]))) < 2


# --- the crowd ---


def test_the_crowd_of_the_lab_is_heard_by_the_product() -> None:
    machine = discovery(1)
    for number in range(50):
        data = decoy.beacon(bytes([number + 1]) * 16, 1, 50_000 + number)
        assert len(data) == traffic_limits.BEACON_BYTES
        machine.receive(data, BeaconSource(ip_address(STRANGER), 50_000 + number), Carrier.MULTICAST, 1.0)
    heard = [event for event in machine.take_events() if isinstance(event, Heard)]
    assert len({event.instance for event in heard}) == 50
    answers = [one for one in machine.take_transmits() if one.carrier is Carrier.UNICAST]
    assert len(answers) == traffic_limits.ANSWER_BURST
