"""The timeline's rows: what programs said, what the lab did, what changed, and each packet between. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localpair_lab.oracle.states import after
from localpair_lab.plan.model import Plan
from localpair_lab.report.page.dissection import Dissected, dissected
from localpair_lab.report.page.flights import PacketFlight, flights
from localpair_lab.report.page.model import Arrow, Detail, Row
from localpair_lab.report.page.record import RunRecord
from localpair_lab.report.page.sayings import saying
from localpair_lab.timeline import TimelineEntry

MOST_PACKETS, MOST_KERNEL, MOST_TRACES, MOST_WORDS = 700, 250, 400, 700
"""Rows of each sort: what a person may still read, and far below what the page may weigh."""
MOST_STATES = 10
_RUN = 3
"""More packets in a row than that, in one conversation and without news, are told as one."""
_RANK = {"device": 0, "router": 1, "hub": 2, "decoy": 3}
_LONG = 400


@dataclass(frozen=True, slots=True)
class TimelineRows:
    """``lanes`` are the machines that have one; ``states`` the network after each change that came. ``left_out``
    says what the rows do not hold.
    """

    lanes: tuple[str, ...]
    states: tuple[Plan, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


def timeline_rows(plan: Plan, record: RunRecord) -> TimelineRows:
    """Everything that happened, in order."""
    nodes = {node.name for node in plan.nodes}
    known = [frame for frame in record.frames if frame.name.partition("/")[0] in nodes]
    found = [flight for flight in flights(plan, known) if record.at(flight.at_ns) >= 0]
    lanes = _lanes(plan, found)
    words = [_of_entry(plan, lanes, entry) for entry in record.entries if entry.text.strip()]
    packets = [_of_flight(lanes, record, flight) for flight in found]
    ordered = sorted([*words, *packets], key=lambda pair: pair[0].at)
    rows, left_out = _bounded(_gathered(ordered))
    states, rows = _with_states(plan, record.entries, rows)
    unread = tuple(f"the capture {name} is too large for a page" for name in record.unread)
    return TimelineRows(lanes, states, rows, (*left_out, *unread))


def _lanes(plan: Plan, found: Iterable[PacketFlight]) -> tuple[str, ...]:
    """Machines that act or were seen to send, devices first."""
    active = {action.node for action in plan.actions} | {
        port.partition("/")[0] for flight in found for port in (flight.sender, *dict(flight.receivers))
    }
    nodes = sorted(plan.nodes, key=lambda node: _RANK[node.role])
    return tuple(node.name for node in nodes if node.name in active or node.role == "device")


# --- Words ---

_Pair = tuple[Row, Dissected | None]


def _of_entry(plan: Plan, lanes: Sequence[str], entry: TimelineEntry) -> _Pair:
    nodes = {action.id: action.node for action in plan.actions}
    who = nodes.get(entry.who, entry.who.partition(":")[0])
    lane = lanes.index(who) if who in lanes else None
    row = Row(entry.at, "lab", who, entry.text, lane)
    match entry.kind:
        case "json":
            row = _said(row, entry.text)
        case "stdout" | "stderr":
            row = replace(row, kind="said", tone="soft", says=entry.text if entry.kind == "stdout" else "")
        case "event":
            row = replace(row, kind="change", who="network", text=_change_words(plan, entry), lane=None)
        case "action":
            row = replace(row, kind="action", tone=_ending(entry.text))
        case "helper":
            row = replace(row, kind="helper", tone="soft")
        case "trace":
            row = replace(row, kind="trace", tone="soft")
    return _shortened(row), None


def _shortened(row: Row) -> Row:
    if len(row.text) <= _LONG:
        return row
    detail = row.detail if row.detail.text else Detail(text=row.text[: 20 * _LONG])
    return replace(row, text=f"{row.text[: _LONG - 1]}…", detail=detail)


def _ending(text: str) -> Any:
    return "bad" if text.startswith(("still runs", "not started", "gets no")) else "plain"


def _change_words(plan: Plan, entry: TimelineEntry) -> str:
    if entry.text != "done":
        return entry.text
    told = next((event.text for event in plan.events if event.id == entry.who), "")
    return f"done: {told or entry.who}"


def _said(row: Row, text: str) -> Row:
    name, fields = json_event(text)
    told = saying(name, fields)
    detail = Detail(text=f"{name}\n{json.dumps(fields, indent=2, ensure_ascii=False)}" if fields else "")
    says = told.text if told.tone != "soft" else ""
    return replace(row, kind="said", text=told.text, tone=told.tone, detail=detail, says=says)


def json_event(text: str) -> tuple[str, dict[str, Any]]:
    """An event's name and fields out of the timeline's line; a name of a program's own may hold anything."""
    name, brace, rest = text.partition(" {")
    try:
        return name, json.loads(f"{{{rest}") if brace else {}
    except ValueError:
        return text, {}


# --- Packets ---


def _of_flight(lanes: Sequence[str], record: RunRecord, flight: PacketFlight) -> _Pair:
    content = dissected(flight.frame)
    ports = tuple(port for port in (flight.sender, *dict(flight.receivers)) if port)
    places = [lanes.index(port.partition("/")[0]) for port in ports]
    start, ends = places[0], places[1:]
    arrows = tuple(Arrow(start, end) for end in ends) or (Arrow(start, None),)
    row = Row(
        record.at(flight.at_ns), "kernel" if content.is_kernels else "packet", ports[0].partition("/")[0],
        content.line, start, "bad" if flight.is_lost or content.is_refusal else "plain", arrows, ports,
        flight.is_lost, Detail((*_way(record, flight), *content.parts), content.content),
    )  # fmt: skip
    return row, content


def _way(record: RunRecord, flight: PacketFlight) -> Iterator[tuple[str, str]]:
    if flight.sender:
        yield "left", f"{flight.sender} at {record.at(flight.at_ns):.4f} s"
    else:
        yield "left", "from where no port was captured"
    for port, at_ns in flight.receivers:
        yield "reached", f"{port} after {(at_ns - flight.at_ns) / 1e6:.2f} ms"
    if flight.is_lost:
        yield "reached", "nobody"
    elif not flight.receivers:
        yield "reached", "nobody: it is a bridge of the machine's own"


def _gathered(pairs: Iterable[_Pair]) -> Iterator[Row]:
    """Long runs of packets of one conversation as one row."""
    run: list[tuple[Row, Dissected]] = []
    for row, content in pairs:
        fits = content is not None and content.flow and not row.is_lost
        if fits and content is not None and (not run or run[0][1].flow == content.flow):
            run.append((row, content))
            continue
        yield from _run(run)
        run = [(row, content)] if fits and content is not None else []
        if not run:
            yield row
    yield from _run(run)


def _run(run: Sequence[tuple[Row, Dissected]]) -> Iterator[Row]:
    if len(run) <= _RUN:
        yield from (row for row, _ in run)
        return
    first, last = run[0][0], run[-1][0]
    size = sum(content.size for _, content in run)
    text = f"TCP {' and '.join(run[0][1].flow)}: {len(run)} packets, {size:,} B, until {last.at:.3f} s"
    listed = "\n".join(f"{row.at:9.4f}  {row.who:<10} {row.text}" for row, _ in run[:60])
    more = f"\n… {len(run) - 60} more" if len(run) > 60 else ""
    arrows = tuple(dict.fromkeys(arrow for row, _ in run for arrow in row.arrows))
    ports = tuple(dict.fromkeys(port for row, _ in run for port in row.ports))
    yield replace(first, text=text, arrows=arrows, ports=ports, detail=Detail(text=listed + more))


# --- Bounds and states ---


def _bounded(rows: Iterable[Row]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The first rows of each sort, and how many of it were left out."""
    limits: Mapping[str, int] = {"packet": MOST_PACKETS, "kernel": MOST_KERNEL, "trace": MOST_TRACES}
    counts: dict[str, int] = {}
    kept: list[Row] = []
    for row in rows:
        sort = row.kind if row.kind in limits else "word"
        counts[sort] = counts.get(sort, 0) + 1
        if counts[sort] <= limits.get(sort, MOST_WORDS):
            kept.append(row)
    names = {"packet": "packets", "kernel": "packets of kernels", "trace": "lines of traces", "word": "lines"}
    over = {sort: count - limits.get(sort, MOST_WORDS) for sort, count in counts.items()}
    return tuple(kept), tuple(f"{count} later {names[sort]}" for sort, count in over.items() if count > 0)


def _with_states(
    plan: Plan, entries: Iterable[TimelineEntry], rows: Sequence[Row]
) -> tuple[tuple[Plan, ...], tuple[Row, ...]]:
    """The network after each change in the order in which they came, and each row with the state that it left."""
    changes = {event.id: event.change for event in plan.events}
    states, since = [plan], list[float]()
    for entry in sorted(entries, key=lambda entry: entry.at):
        if (
            entry.kind == "event"
            and entry.text == "done"
            and entry.who in changes
            and len(states) < MOST_STATES
        ):
            changed = after(states[-1], changes[entry.who])
            if changed is not states[-1]:
                states.append(changed)
                since.append(entry.at)
    told = tuple(replace(row, state=sum(at <= row.at for at in since)) for row in rows)
    return tuple(states), told
