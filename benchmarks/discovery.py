"""What discovery costs: beacons a device sends as more devices share its LAN, and processor time for one it hears.

    python benchmarks/discovery.py
    python benchmarks/discovery.py --devices 2 20 64 --runs 5

The LAN is virtual: the real discovery machines hear each other over virtual time, without sockets, and nothing is
sent anywhere. In flow `pre` the devices are pairs, each with a secret of its own; in flow `post` all of them hear
each other. Every device starts at the same moment, which is the worst case. Counted are datagrams handed to the
network for one interface with one group and one broadcast address, in the `first` minute (burst, then a beat every
second) and in a `steady` one (a beat every five seconds). `known anew` is how often a peer that had been forgotten
was heard again. Processor time is that of the machine alone: `benchmarks/memory.py` measures a whole process.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address

from measuring import Report, parser, print_table, progress, undisturbed

from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import BEACON_BEAT_S, BEACON_BYTES, PEER_EXPIRY_BEATS, PEERS
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, Carrier, Heard
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Beacon, BeaconKind, Part
from virtual_lan import UDP_PORT, Device, VirtualLan

MINUTES = ("first", "steady")
FLOWS = ("pre", "post")
GROWTH = (
    1.5  # of a steady minute's datagrams, from the smallest crowd to the largest: what counts as constant
)


# --- a crowd on one LAN


class Crowd(VirtualLan):
    """A virtual LAN that counts instead of keeping, and asks a device for its deadline only where it may have one."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.sent: Counter[int] = Counter()
        self._due: dict[int, float] = {}

    def run(self, seconds: float) -> None:
        """Let time pass. Calling a machine's timer early changes nothing, so that a lower bound is enough."""
        end = self.now + seconds
        while True:
            for device in self.devices:
                self._collect(device)
            following = min(self._due.get(device.number, self.now) for device in self.devices)
            if self._flying:
                following = min(following, self._flying[0][0])
            if following > end:
                break
            self.now = max(self.now, following)
            self._deliver()
            for device in self.devices:
                self._call_timer(device)
        self.now = end

    def _call_timer(self, device: Device) -> None:
        if self._due.get(device.number, self.now) > self.now:
            return
        device.discovery.timer(self.now)
        self._due[device.number] = device.discovery.deadline() or self.now + 60.0

    def _collect(self, device: Device) -> None:
        super()._collect(device)
        if device.events:  # whoever was heard for the first time may be the next to expire
            soonest = self.now + PEER_EXPIRY_BEATS * BEACON_BEAT_S
            self._due[device.number] = min(self._due.get(device.number, self.now), soonest)
        for _, event in device.events:
            self.counts["known anew"] += isinstance(event, Heard) and event.first
        for _, transmit in device.sent:
            self.counts[transmit.carrier.value] += 1
            self.sent[device.number] += 1
        device.events.clear()
        device.sent.clear()


@dataclass(frozen=True, slots=True)
class Minute:
    """Datagrams of one device in one minute; ``most`` of the device that sent most, otherwise the mean."""

    devices: int
    flow: str
    minute: str
    multicast: float
    broadcast: float
    unicast: float
    most: int
    known_anew: float
    seconds: float  # what this simulation took

    @property
    def sent(self) -> float:
        """All datagrams of one device."""
        return self.multicast + self.broadcast + self.unicast

    def row(self) -> list[str]:
        """The minute as the table shows it."""
        numbers = (self.multicast, self.broadcast, self.unicast, self.sent)
        return [
            f"{self.flow}, {self.minute} minute", str(self.devices), *(f"{one:.1f}" for one in numbers), str(self.most),
            f"{self.sent * BEACON_BYTES / 60:.0f}", f"{self.known_anew:.1f}",
        ]  # fmt: skip


def minutes(devices: int, flow: str) -> Iterator[Minute]:
    """The first minute of a crowd, and the second one, in which nothing happens any more."""
    lan = Crowd()
    for number in range(devices):
        side = Role.JOINER if number % 2 else Role.ISSUER
        secret = SharedSecret((number // 2).to_bytes(16, "big"), Purpose.OFFER, side)
        keyring = Keyring([(OFFER, secret)] if flow == "pre" else [])
        lan.add(keyring, Part.JOIN if number % 2 else Part.HOST)
    for minute in MINUTES:
        progress(f"{devices} devices, flow {flow}, {minute} minute")
        started = time.perf_counter()
        lan.counts.clear()
        lan.sent.clear()
        lan.run(60.0)
        by_carrier = {one: lan.counts[one] / devices for one in ("multicast", "broadcast", "unicast")}
        yield Minute(
            devices, flow, minute, **by_carrier, most=max(lan.sent.values()),
            known_anew=lan.counts["known anew"] / devices, seconds=time.perf_counter() - started,
        )  # fmt: skip


def measure_crowds(report: Report, crowds: list[int]) -> None:
    """Count the datagrams of every crowd in both flows."""
    found = [minute for flow in FLOWS for devices in crowds for minute in minutes(devices, flow)]
    progress("")
    found.sort(key=lambda one: (one.flow, one.minute, one.devices))
    head = ["datagrams of one device and minute", "devices", "multicast", "broadcast", "unicast", "all", "most", "B/s",
            "known anew"]  # fmt: skip
    print()
    print_table([head, *(one.row() for one in found)])
    for flow in FLOWS:
        for minute in MINUTES:
            chosen = [one for one in found if (one.flow, one.minute) == (flow, minute)]
            growth = round(chosen[-1].sent / chosen[0].sent, 2)
            report.ratios[f"{flow}, {minute}: {chosen[-1].devices} devices / {chosen[0].devices}"] = growth
    report.facts["crowds"] = [
        {"devices": one.devices, "flow": one.flow, "minute": one.minute, "multicast": one.multicast,
         "broadcast": one.broadcast, "unicast": one.unicast, "most": one.most, "known_anew": one.known_anew,
         "simulated_in_s": round(one.seconds, 1)}
        for one in found
    ]  # fmt: skip


# --- one beacon

OUR_SECRET = b"our own secret.."
ADDRESSES = (IPv4Address("192.168.1.20"), IPv4Address("10.0.0.20"))
NEIGHBOUR = BeaconSource(IPv4Address("192.168.1.20"), UDP_PORT, 2)
Feed = Callable[[Discovery, int], None]


def offer_ring(material: bytes = OUR_SECRET, side: Role = Role.ISSUER) -> Keyring:
    """What somebody holds who hosts, or joins."""
    return Keyring([(OFFER, SharedSecret(material, Purpose.OFFER, side))])


def pair_ring(pairs: int) -> Keyring:
    """What a listener holds that knows ``pairs`` devices."""
    names = [f"device {number}" for number in range(pairs)]
    return Keyring([(name, SharedSecret(name.encode(), Purpose.PAIR, Role.ISSUER)) for name in names])


def beacons(keyring: Keyring, secret: str | None, count: int, *, crowd: int = 1) -> list[bytes]:
    """The beats of ``crowd`` instances in turn, ``count`` in all."""
    made = []
    for number in range(count):
        instance = (number % crowd).to_bytes(16, "big")
        beacon = Beacon(
            BeaconKind.ANNOUNCE, Part.JOIN, instance, 1 + number // crowd, 46821, 46821, addresses=ADDRESSES
        )
        made.append(keyring.seal(secret, beacon, number.to_bytes(12, "big")))
    return made


def cases(count: int) -> dict[str, tuple[Keyring, list[bytes]]]:
    """What is heard by whom."""
    ours, strangers, opened = offer_ring(), offer_ring(b"somebody else's!"), Keyring()
    foreign = beacons(strangers, OFFER, count, crowd=20)
    hints = beacons(opened, None, count, crowd=20)
    garbage = [bytes([number % 256]) * BEACON_BYTES for number in range(count)]
    return {
        "sealed, ours: the next beat of a known peer": (
            ours,
            beacons(offer_ring(side=Role.JOINER), OFFER, count),
        ),
        "sealed, a stranger's": (ours, foreign),
        "sealed, a stranger's; 20 paired devices": (pair_ring(20), foreign),
        "sealed, a stranger's; 100 paired devices": (pair_ring(100), foreign),
        "sealed, heard in flow post": (opened, foreign),
        "open, heard in flow post: 20 known peers": (opened, hints),
        f"open, heard in flow post: {2 * PEERS} devices": (
            opened,
            beacons(opened, None, count, crowd=2 * PEERS),
        ),
        "open, heard by a holder of a secret": (ours, hints),
        "garbage": (ours, garbage),
    }


def hear(keyring: Keyring, datagrams: list[bytes]) -> float:
    """Microseconds of processor time for one datagram, with what follows: the events, and the next deadline."""
    me = Self(Part.HOST, b"\xff" * 16, b"\xff" * 32, UDP_PORT, UDP_PORT)
    discovery = Discovery(me, keyring, 0.0)
    now, started = 0.0, time.process_time()
    for datagram in datagrams:
        now += 0.01
        discovery.receive(datagram, NEIGHBOUR, Carrier.MULTICAST, now)
        discovery.take_events()
        discovery.deadline()
    return (time.process_time() - started) / len(datagrams) * 1e6


def seal_one(keyring: Keyring, secret: str | None, count: int) -> float:
    """Microseconds of processor time for making one beacon."""
    started = time.process_time()
    beacons(keyring, secret, count)
    return (time.process_time() - started) / count * 1e6


def measure_beacons(report: Report, runs: int, count: int, calm_s: float) -> None:
    """Measure every kind of beacon ``runs`` times in turn, ``count`` datagrams each."""
    prepared = cases(count)
    found: dict[str, list[float]] = {name: [] for name in prepared}
    making: dict[str, list[float]] = {"making a sealed one": [], "making an open one": []}
    for number in range(runs):
        progress(f"beacons, run {number + 1} of {runs}")
        for name, (keyring, datagrams) in prepared.items():
            found[name].append(undisturbed(partial(hear, keyring, datagrams), calm_s))
        making["making a sealed one"].append(seal_one(offer_ring(), OFFER, count))
        making["making an open one"].append(seal_one(Keyring(), None, count))
    progress("")
    for name, values in {**found, **making}.items():
        report.add(name, "us", values)


def grew(report: Report, factor: float) -> bool:
    """Whether a device among many sends more than ``factor`` times what it sends among few; the aim is 1."""
    return any(growth > factor for growth in report.ratios.values())


def main() -> int:
    options_parser = parser(__doc__, runs=7)
    options_parser.add_argument("--devices", type=int, nargs="+", default=[2, 20, 200], metavar="N",
                                help="sizes of the crowds (default: 2 20 200; 200 take minutes)")  # fmt: skip
    options_parser.add_argument("--beacons", type=int, default=2000, metavar="N",
                                help="datagrams of each kind and run; 0: none")  # fmt: skip
    options = options_parser.parse_args()
    report = Report("discovery")
    if options.beacons:
        measure_beacons(report, options.runs, options.beacons, options.calm)
    measure_crowds(report, sorted(options.devices))
    code = report.finish(options.check)
    return 1 if options.check and grew(report, options.check) else code


if __name__ == "__main__":
    sys.exit(main())
