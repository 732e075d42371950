"""Programs beside each other, as values and as Markdown: which pair where, how fast, and with how many packets."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["paired", "not paired", "one-sided", "unsupported", "broken"]
CHANGES = "~"
NOT_PLAYED = ("unsupported", "broken")


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One play: what came of it, seconds until both were paired, and what the devices sent. ``reason``: why there was
    no play to speak of.
    """

    word: Word
    after_s: float = 0.0
    packets: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One scenario with one program, played several times; ``command`` plays it again."""

    runs: tuple[ComparedRun, ...]
    command: str = ""

    @property
    def words(self) -> tuple[Word, ...]:
        """What came of the runs, each word once."""
        return tuple(dict.fromkeys(run.word for run in self.runs))

    @property
    def changes(self) -> bool:
        """Whether the runs differ."""
        return len(self.words) > 1

    @property
    def is_paired(self) -> bool:
        """Whether it paired every time."""
        return self.words == ("paired",)

    @property
    def after_s(self) -> float:
        """The median of the runs that paired."""
        return statistics.median(run.after_s for run in self._paired())

    @property
    def packets(self) -> int:
        """The median of the runs that were played."""
        return round(statistics.median(run.packets for run in self.runs))

    def told(self) -> str:
        """``0.41 s, 23``, ``not paired, 12``, ``unsupported``, ``~ paired 2 of 3, 23``."""
        if self.changes:
            counts = (
                f"{word} {sum(run.word == word for run in self.runs)} of {len(self.runs)}"
                for word in self.words
            )
            return f"{CHANGES} {', '.join(counts)}; {self.packets}"
        (word,) = self.words
        if word in NOT_PLAYED:
            return word
        return f"{self.after_s:.2f} s; {self.packets}" if word == "paired" else f"{word}; {self.packets}"

    def _paired(self) -> list[ComparedRun]:
        return [run for run in self.runs if run.word == "paired"]


@dataclass(frozen=True, slots=True)
class ComparedProgram:
    """A program, as its adapter tells of it; ``needs_meeting_point``: both sides must reach a server."""

    name: str
    version: str
    summary: str
    needs_meeting_point: bool
    patience_s: float


@dataclass(frozen=True, slots=True)
class ComparedScenario:
    """A row: its title, its summary, whether the oracle knows a way, and a cell for each program in their order."""

    title: str
    summary: str
    has_way: bool
    cells: tuple[ComparedCell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it; ``command`` makes it again, on ``engine``, with so many runs of each cell."""

    programs: tuple[ComparedProgram, ...]
    scenarios: tuple[ComparedScenario, ...]
    engine: str
    repeat: int
    command: str
    machine: str = ""

    def column(self, program: ComparedProgram) -> tuple[ComparedCell, ...]:
        """A program's cells."""
        at = self.programs.index(program)
        return tuple(scenario.cells[at] for scenario in self.scenarios)

    def changing(self) -> tuple[int, int]:
        """How many cells differ from run to run, of how many that were played."""
        cells = [cell for scenario in self.scenarios for cell in scenario.cells]
        played = [cell for cell in cells if cell.words[0] not in NOT_PLAYED or cell.changes]
        return sum(cell.changes for cell in played), len(played)

    def behind(self, program: ComparedProgram) -> tuple[str, ...]:
        """The scenarios in which another program paired every time, and this one did not."""
        at = self.programs.index(program)
        return tuple(
            scenario.title
            for scenario in self.scenarios
            if not scenario.cells[at].is_paired and any(cell.is_paired for cell in scenario.cells)
        )


def markdown(comparison: Comparison) -> str:
    """The page of the docs."""
    return "\n".join([*_head(comparison), "", *_programs(comparison), "", *_table(comparison), ""])


def _head(comparison: Comparison) -> Iterator[str]:
    changing, played = comparison.changing()
    share = changing / played if played else 0.0
    yield "# Comparison"
    yield ""
    yield "Programs that find each other on a local network, each played in the same networks by the lab. Written by"
    yield ""
    yield f"```\n{comparison.command}\n```"
    yield ""
    yield (
        f"Each cell was played {comparison.repeat} times on the engine `{comparison.engine}`{comparison.machine}. "
        "It holds the median of the seconds until both sides were paired, and of the packets that the devices sent in "
        "the whole play, ARP and the like among them. *Paired* is what a program's adapter in `lab/adapters/` says it "
        f"is; its settings stand there. `{CHANGES}` marks a cell whose runs differ: {changing} of {played} that were "
        f"played ({share:.1%}). *Unsupported* is a scenario that asks for what the program has not. *way* says whether "
        "the oracle knows one on which localpair's two sides can meet by themselves."
    )
    yield ""
    yield "One cell is played again by"
    yield ""
    yield "```\nlocalpair-lab run SCENARIO --cell CELL --product PROGRAM --engine namespace --keep\n```"


def _programs(comparison: Comparison) -> Iterator[str]:
    yield "## The programs"
    yield ""
    yield "| program | version | meeting point | paired | no pair after | what it does |"
    yield "|---|---|---|---|---|---|"
    for program in comparison.programs:
        cells = comparison.column(program)
        needs = "needed" if program.needs_meeting_point else "-"
        paired = f"{sum(cell.is_paired for cell in cells)} of {len(cells)}"
        facts = [program.version or "?", needs, paired, f"{program.patience_s:g} s", program.summary]
        yield f"| {program.name} | {' | '.join(facts)} |"
    for program in comparison.programs[:1]:
        behind = comparison.behind(program)
        yield ""
        yield f"Where another program paired every time and {program.name} did not: {', '.join(behind) or 'nowhere'}."


def _table(comparison: Comparison) -> Iterator[str]:
    yield "## The cells"
    yield ""
    yield f"| scenario | way | {' | '.join(program.name for program in comparison.programs)} |"
    yield f"|---|---{'|---' * len(comparison.programs)}|"
    for scenario in comparison.scenarios:
        cells = " | ".join(cell.told() for cell in scenario.cells)
        yield f"| {scenario.title} | {'yes' if scenario.has_way else 'no'} | {cells} |"
