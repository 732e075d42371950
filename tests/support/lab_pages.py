"""Runs that were never played: records with every kind of line and packet, for pages."""

from __future__ import annotations

import json
import struct
from ipaddress import ip_address
from pathlib import Path

from localpair_lab.cli.selection import chosen
from localpair_lab.fabric.traffic.pcapng import Captured
from localpair_lab.judge.verdict import Failure, Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.report.page.build import run_page
from localpair_lab.report.page.model import RunPage
from localpair_lab.report.page.record import RunRecord
from localpair_lab.timeline import TimelineEntry

BEGAN_NS = 1_700_000_000_000_000_000
GROUP = bytes.fromhex("01005e0000ab")
HOSTILE = (
    "</script></style><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'&\x1b[2J\ud800"
)


def mac(cell: PlannedCell, port: str) -> bytes:
    """The hardware address of a port."""
    return bytes.fromhex(cell.plan.interface(port).mac.replace(":", ""))


def datagram(sender: bytes, receiver: bytes, source: str, destination: str, payload: bytes) -> bytes:
    """A UDP datagram from port 46821 to port 46820, in its frame."""
    udp = struct.pack("!HHHH", 46821, 46820, 8 + len(payload), 0) + payload
    return receiver + sender + _ip(17, source, destination, udp)


def segment(
    sender: bytes, receiver: bytes, source: str, destination: str, flags: int, payload: bytes
) -> bytes:
    """A TCP segment from port 46830 to port 46821, in its frame."""
    tcp = struct.pack("!HHIIBBHHH", 46830, 46821, 1, 2, 5 << 4, flags, 64000, 0, 0) + payload
    return receiver + sender + _ip(6, source, destination, tcp)


def _ip(protocol: int, source: str, destination: str, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    return b"\x08\x00" + head + ip_address(source).packed + ip_address(destination).packed + body


def seen(port: str, at_s: float, frame: bytes, *, outbound: bool) -> Captured:
    """A frame at a port."""
    return Captured(port, BEGAN_NS + round(at_s * 1e9), frame, outbound)


def entry(at: float, kind: str, who: str, text: str) -> TimelineEntry:
    """A line of the timeline."""
    return TimelineEntry(at, kind, who, text)  # type: ignore[arg-type]


def json_entry(at: float, who: str, name: str, **fields: object) -> TimelineEntry:
    """An event of a program."""
    return entry(at, "json", who, f"{name} {json.dumps(fields)}")


def flat() -> PlannedCell:
    """Two devices on one network."""
    return chosen("flow/flat", "")


def record(cell: PlannedCell, *, said: str = "hello") -> RunRecord:
    """Both devices of ``flat``: a beacon that nobody hears, one that arrives, a transfer, and words."""
    alice, bob = mac(cell, "alice/eth0"), mac(cell, "bob/eth0")
    lost = datagram(bob, GROUP, "192.168.1.20", "224.0.0.171", b"lost")
    heard = datagram(alice, bob, "192.168.1.10", "192.168.1.20", said.encode(errors="replace"))
    bulk = [segment(alice, bob, "192.168.1.10", "192.168.1.20", 0x10, bytes([n]) * 900) for n in range(20)]
    frames = [
        seen("bob/eth0", 0.2, lost, outbound=True),
        seen("alice/eth0", 0.3, heard, outbound=True),
        seen("bob/eth0", 0.301, heard, outbound=False),
    ]
    for number, frame in enumerate(bulk):
        frames.append(seen("alice/eth0", 0.5 + number / 1000, frame, outbound=True))
        frames.append(seen("bob/eth0", 0.5004 + number / 1000, frame, outbound=False))
    path = {"local": "192.168.1.10:46830", "remote": "192.168.1.20:46821", "direction": "out"}
    entries = (
        entry(0.1, "action", "host", "starts on bob: @localpair host"),
        entry(0.15, "stderr", "host", said),
        json_entry(0.16, "host", "offer", offer="(hidden)"),
        json_entry(0.25, "join", "attempt", candidate="192.168.1.20:46821", outcome="failed", detail=said),
        json_entry(0.35, "join", "paired", path=path),
        json_entry(0.36, "join", said, strange=[1, said]),
        json_entry(0.6, "join", "verdict", verdict="explained", text="x", causes=[
            {"causes": ["firewall"], "device": "there", "confidence": "likely", "evidence": [said],
             "text": f"the firewall {said}", "hint": said},
        ]),
        entry(0.7, "action", "host", "ends with 0"),
    )  # fmt: skip
    return RunRecord(entries, tuple(sorted(frames, key=lambda frame: frame.at_ns)), BEGAN_NS)


def outcome(verdict: Verdict, *, said: str = "hello") -> Outcome:
    """What came of it."""
    failures = (Failure(("expect", 0), f"wanted {said}", f"came {said}", (f"join: {said}",)),)
    return Outcome(
        verdict, "namespace", failures=failures if verdict is Verdict.FAILED else (), reason=said, hint=said,
        elapsed_s=1.5, paired_ms=123.0, path="out offer", came="paired", ends=(("host", "paired"), ("join", "paired")),
    )  # fmt: skip


def page(verdict: Verdict = Verdict.FAILED, *, said: str = "hello") -> RunPage:
    """The model of such a run's page."""
    cell = flat()
    return run_page(cell, outcome(verdict, said=said), record(cell, said=said), Path.cwd())
