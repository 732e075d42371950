"""What a run left in its folder, as values: the timeline, and every packet that a port has seen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from localpair_lab.fabric.traffic.pcapng import Captured, packets
from localpair_lab.timeline import CLOCK, TimelineEntry, read_timeline

_MOST_BYTES = 64 << 20
"""Of all captures of a run: beyond that a page would take longer to make than a person waits."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """``frames`` in the order of time; ``began_ns`` is their clock at the timeline's second 0. ``unread``: captures
    that are too large to be read for a page.
    """

    entries: tuple[TimelineEntry, ...]
    frames: tuple[Captured, ...]
    began_ns: int
    unread: tuple[str, ...] = ()

    def at(self, at_ns: int) -> float:
        """A capture's moment in seconds of the timeline."""
        return (at_ns - self.began_ns) / 1e9


def read_record(folder: Path) -> RunRecord:
    """What is there of it; a run that broke early leaves little."""
    began_ns = _began(folder / CLOCK)
    frames, unread, left = list[Captured](), list[str](), _MOST_BYTES
    for path in sorted((folder / "captures").glob("*.pcapng")) if began_ns else ():
        left -= path.stat().st_size
        if left < 0:
            unread.append(path.name)
        else:
            frames.extend(packets(path.read_bytes()))
    frames.sort(key=lambda frame: frame.at_ns)
    return RunRecord(read_timeline(folder), tuple(frames), began_ns, tuple(unread))


def _began(path: Path) -> int:
    return int(json.loads(path.read_text(encoding="utf-8"))["began_ns"]) if path.exists() else 0
