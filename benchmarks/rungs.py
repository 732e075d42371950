"""How long each rung of the ladder takes, beside the flat LAN's in the same run, and how many packets it costs.

    python benchmarks/rungs.py                 # 7 runs of each rung; Linux with network namespaces
    python benchmarks/rungs.py --runs 3 --only sweep

Each rung is a scenario of the lab in which no lower one can do. It is played in network namespaces with the installed
localpair, as `localpair-lab run` plays it: real command lines, fresh processes. All rungs are run in turn, so that all
see the same weather. `time` is from the start of the later process (the joiner's) to the moment at which both sides
have said `paired`, interpreter and imports included. `datagrams`, `dials` and `questions` (for hardware addresses) are
what both devices together have put on the wire by then, from the captures of their ports. The aim, one second, is for
offers that hold addresses.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.errors import LabError
from localpair_lab.fabric.traffic.frames import FrameHeader
from localpair_lab.judge.packets import read_node
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.paths import SCENARIOS
from localpair_lab.run.player import play
from localpair_lab.timeline import Record
from measuring import Figure, Report, parser, progress, undisturbed

AIM_MS = 1000.0
_FAILURES = 3  # of one rung; then it is given up
_KINDS: dict[str, Callable[[FrameHeader], bool]] = {
    "datagrams": lambda packet: packet.protocol == "udp",
    "dials": lambda packet: packet.syn,
    "questions": lambda packet: packet.protocol == "arp" and bool(packet.source),
}


@dataclass(slots=True)
class Rung:
    """One way to pair: the scenario file and the cell that leave no lower one."""

    name: str
    scenario: str
    cell: str = ""
    offered: bool = True
    times: list[float] = field(default_factory=list)
    counts: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    ways: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def planned(self) -> PlannedCell:
        """The cell to play. Raises SystemExit where there is none of that name."""
        for cell in planned(SCENARIOS / f"{self.scenario}.yaml"):
            if cell.cell.name == self.cell:
                return cell
        raise SystemExit(f"{self.scenario} has no cell {self.cell!r}")


FLAT = Rung("flat LAN, offered address", "flow/flat", "pre-all")
RUNGS = (
    FLAT,
    Rung("discovered, nothing offered", "flow/flat", "pre-none", offered=False),
    Rung("flow post", "flow/flat", "post-all"),
    Rung("issuer closed: it dials", "firewall/inbound-blocked", "host"),
    Rung("joiner closed", "firewall/inbound-blocked", "join"),
    Rung("no multicast, offered address", "multicast/blocked", "filter-all"),
    Rung("no multicast, nothing offered: sweep", "multicast/blocked", "filter-none", offered=False),
    Rung("sweep of a /22", "multicast/small-subnets-swept", "10-64-0-0-22", offered=False),
    Rung("UDP closed on both: over TCP", "firewall/udp-inbound-blocked", "both-all"),
    Rung("UDP closed on both, nothing offered", "firewall/udp-inbound-blocked", "both-none", offered=False),
    Rung("issuer closed, no multicast: neighbours", "firewall/inbound-blocked-no-multicast"),
    Rung("both closed: simultaneous open", "firewall/both-inbound-blocked", "pass"),
    Rung("both closed, no multicast", "firewall/both-inbound-blocked", "drop"),
    Rung("a VPN has the LAN's prefix: by the link", "routed/vpn-steals-lan-prefix", "join"),
    Rung("joiner behind NAT", "routed/nested-nat"),
    Rung("routed VLANs", "routed/vlans"),
    Rung("reflected beacons, nothing offered", "multicast/reflector", offered=False),
)


async def run_once(cell: PlannedCell, folder: Path) -> Record:
    """Play one cell; its captures are complete when this returns. Raises LabError."""
    running = await NamespaceEngine(cold=True).up(cell.plan, folder)
    try:
        record = await play(cell.plan, running)
        await running.captured()
        return record
    finally:
        await running.down()


def measure(rung: Rung) -> None:
    """Play a rung once and keep what came of it."""
    cell = rung.planned()
    with tempfile.TemporaryDirectory(prefix="localpair-rungs-") as name:
        record = asyncio.run(run_once(cell, Path(name)))
        host, join = record.actions["host"], record.actions["join"]
        paired = [action.first("paired") for action in (host, join)]
        if paired[0] is None or paired[1] is None or join.started is None:
            rung.failures.append(f"host ended with {host.exit}, join with {join.exit}")
            return
        until = max(event.at for event in paired if event is not None)
        rung.times.append((until - join.started) * 1000)
        path = paired[1].fields.get("path", {})
        rung.ways[f"{path.get('direction')} {path.get('carrier')}"] += 1
        count(rung, Path(name) / "captures", {host.node, join.node}, record.began_ns + int(until * 1e9))


def count(rung: Rung, captures: Path, nodes: set[str], until_ns: int) -> None:
    """Keep how much the two devices had sent by then."""
    seen = [one for node in nodes for one in read_node(captures, node)]
    sent = [one.packet for one in seen if one.outbound and one.at_ns <= until_ns]
    for kind, belongs in _KINDS.items():
        rung.counts[kind].append(sum(map(belongs, sent)))


def measure_all(rungs: list[Rung], runs: int, calm_s: float) -> None:
    """Every rung ``runs`` times in turn, after one time that only warms up."""
    measure(Rung("", FLAT.scenario, FLAT.cell))
    for number in range(runs):
        for rung in rungs:
            progress(f"run {number + 1} of {runs}: {rung.name}")
            if len(rung.failures) < _FAILURES:
                undisturbed(lambda rung=rung: measure(rung), calm_s)  # type: ignore[misc]
    progress("")


def tell(report: Report, rungs: list[Rung]) -> None:
    """Put everything into the report, each rung's time beside that of the flat LAN."""
    times: dict[str, Figure] = {}
    for rung in rungs:
        times[rung.name] = report.add(rung.name, "ms", rung.times, AIM_MS if rung.offered else None)
        if rung is not FLAT:
            report.ratio(f"{rung.name} / flat LAN", times[rung.name], times[FLAT.name])
    for rung in rungs:
        for kind, values in rung.counts.items():
            report.add(f"{rung.name}: {kind}", kind, values)
    report.facts["ways"] = {rung.name: dict(rung.ways) for rung in rungs}
    report.facts["failures"] = {rung.name: rung.failures for rung in rungs if rung.failures}


def main() -> int:
    options_parser = parser(__doc__, runs=7)
    options_parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="only rungs whose name holds one of these words"
    )
    options = options_parser.parse_args()
    chosen = [
        one
        for one in RUNGS
        if one is FLAT or not options.only or any(word in one.name for word in options.only)
    ]
    if missing := NamespaceEngine().supports(FLAT.planned().plan):
        raise SystemExit(f"{missing[0].capability}: {missing[0].reason}")
    report = Report("rungs")
    try:
        measure_all(chosen, options.runs, options.calm)
    except LabError as error:
        raise SystemExit(f"{error.message}\n{error.hint}".strip()) from None
    tell(report, chosen)
    code = report.finish(options.check)
    return 1 if options.check and report.facts["failures"] else code


if __name__ == "__main__":
    sys.exit(main())
