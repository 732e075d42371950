"""What happened in a run: one timeline of everything, and a record of each action."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["run", "action", "event", "json", "stdout", "stderr", "helper", "trace"]
_ENTRIES = "timeline.jsonl"
CLOCK = "clock.json"
"""What the clock of captures showed at second 0."""
TIME_COLUMNS = 9
"""How far the time reaches in the line of a log or of the timeline."""
SECRET_FIELDS = ("offer",)  # the offer's text holds the pair's secret; no artifact shows it


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline: seconds since the network stood, what kind, who, and what."""

    at: float
    kind: Kind
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:8.3f}  {self.kind:<6}  {self.who:<12}  {self.text}"


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One JSON event of the product: when the lab got it, its name and its fields."""

    at: float
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SaidLine:
    """One line as the program wrote it, and when the lab got it."""

    at: float
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(slots=True)
class ActionRecord:
    """One action. Times are seconds since the network stood; None: it did not happen.

    ``is_product``: it ran localpair. ``skipped`` says why it was never started. ``timed_out``: its deadline ended it;
    ``given_up``: and that is how its attempts fail.
    ``ended_by_lab``: it still ran when everything else was over.
    """

    id: str
    node: str
    verb: str
    started: float | None = None
    ended: float | None = None
    exit: int | None = None
    skipped: str = ""
    timed_out: bool = False
    given_up: bool = False
    ended_by_lab: bool = False
    seen: list[SeenEvent] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    is_product: bool = True
    said: list[SaidLine] = field(default_factory=list)

    def events(self, name: str) -> Iterator[SeenEvent]:
        """The events of that name, in order."""
        return (event for event in self.seen if event.name == name)

    def first(self, name: str) -> SeenEvent | None:
        """The first event of that name."""
        return next(self.events(name), None)


@dataclass(slots=True)
class Record:
    """A whole run. ``offers`` holds the offers' texts, to be searched for where they must not be, ``answers`` the
    answer codes; ``checksums`` the SHA-256 of the files that are expected, by node and path, ``none`` where there is no
    file. ``began_ns`` is the wall clock, as captures have it, at second 0.
    """

    actions: dict[str, ActionRecord] = field(default_factory=dict)
    timeline: list[TimelineEntry] = field(default_factory=list)
    offers: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    checksums: dict[tuple[str, str], str] = field(default_factory=dict)
    unreached: list[str] = field(default_factory=list)
    slowest_turn_s: float = 0.0
    pressure: float = 0.0  # the share of the time in which some program waited for a core
    elapsed_s: float = 0.0
    began_ns: int = 0

    def note(self, at: float, kind: Kind, who: str, text: str) -> None:
        """One more line of the timeline."""
        self.timeline.append(TimelineEntry(at, kind, who, text))

    def write(self, folder: Path) -> None:
        """``timeline.txt`` for people, ``timeline.jsonl`` for programs, the captures' clock, a log for each action."""
        write_clock(folder, self.began_ns)
        ordered = sorted(self.timeline, key=lambda entry: entry.at)
        _write_lines(folder / "timeline.txt", ordered)
        lines = (
            json.dumps({"at": round(e.at, 4), "kind": e.kind, "who": e.who, "text": e.text}) for e in ordered
        )
        (folder / _ENTRIES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for action in self.actions.values():
            _write_lines(folder / f"{action.id}.log", action.log)


def read_timeline(folder: Path) -> tuple[TimelineEntry, ...]:
    """What ``Record.write`` has left in ``folder``; nothing where it has not."""
    path = folder / _ENTRIES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return tuple(TimelineEntry(**json.loads(line)) for line in lines)


def write_clock(folder: Path, began_ns: int) -> None:
    """For those who hold captures beside the timeline."""
    (folder / CLOCK).write_text(json.dumps({"began_ns": began_ns}), encoding="utf-8")


def _write_lines(path: Path, lines: Iterable[object]) -> None:
    """What programs say may hold half of a pair of surrogates, which no file in UTF-8 can."""
    text = "".join(f"{line}\n" for line in lines)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def last_lines(lines: Sequence[str], most: int, after: int) -> list[str]:
    """The last of them, at most so many; of lines in a row that are equal from column ``after`` on, the last with their
    number.
    """
    rows: list[tuple[str, int]] = []
    for line in reversed(lines):
        if rows and line[after:] == rows[-1][0][after:]:
            rows[-1] = (rows[-1][0], rows[-1][1] + 1)
        elif len(rows) == most:
            break
        else:
            rows.append((line, 1))
    return [line if times == 1 else f"{line} ({times} times)" for line, times in reversed(rows)]


def shown(name: str, fields: dict[str, Any]) -> str:
    """An event as the timeline shows it, without the secret."""
    kept = {
        key: "(hidden)" if key in SECRET_FIELDS else value
        for key, value in fields.items()
        if key not in ("event", "t")
    }
    return f"{name} {json.dumps(kept, ensure_ascii=False)}" if kept else name
