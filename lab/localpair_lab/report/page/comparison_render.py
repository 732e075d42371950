"""A comparison as one HTML page: programs across, scenarios down, colour by what came of it and how fast."""

from __future__ import annotations

from collections.abc import Iterator

from localpair_lab.report.comparison import (
    NOT_PLAYED,
    ComparedCell,
    ComparedProgram,
    ComparedScenario,
    Comparison,
)
from localpair_lab.report.page.frame import framed
from localpair_lab.report.page.markup import Markup, joined, tag

_SHADES_S = (0.5, 1.0, 2.0, 5.0)
"""A pair is the darker the faster it came: up to these seconds, and beyond them."""
_SIGNS = {"paired": "✓", "not paired": "✗", "one-sided": "½", "unsupported": "○", "broken": "!"}


def comparison_html(comparison: Comparison) -> str:
    """The whole file."""
    body = joined([*_sections(comparison)], "\n")
    return framed("Programs on local networks, compared", body, styles=["comparison.css"], scripts=[])


def _sections(comparison: Comparison) -> Iterator[Markup]:
    changing, played = comparison.changing()
    sizes = (len(comparison.programs), len(comparison.scenarios), comparison.repeat)
    count = "{} programs, {} scenarios, {} runs of each".format(*sizes)
    told = f"{count}; {changing} of {played} cells changed"
    yield tag("header", [tag("h1", "Programs on local networks, compared"), tag("p", told)])
    yield _legend()
    yield tag(
        "div", _grid(comparison), class_="grid panel", tabindex="0", role="region", aria_label="Heat map"
    )
    yield tag("h2", "The programs")
    yield tag(
        "dl", [part for program in comparison.programs for part in _program(program)], class_="programs panel"
    )
    yield tag("h2", "Made by")
    yield tag("pre", tag("code", comparison.command))


def _legend() -> Markup:
    bounds = ["under 0.5 s", "1 s", "2 s", "5 s", "more"]
    pairs = [tag("li", words, class_=f"paired-{number}") for number, words in enumerate(bounds)]
    others = [tag("li", f"{_SIGNS[word]} {word}", class_=_class(word)) for word in _SIGNS if word != "paired"]
    changes = tag("li", "~ not the same each time", class_="changes")
    return tag("ul", [*pairs, *others, changes], class_="legend", aria_label="Colours")


def _grid(comparison: Comparison) -> Markup:
    names = [tag("th", tag("span", program.name), scope="col") for program in comparison.programs]
    head = tag(
        "thead", tag("tr", [tag("th", "scenario", scope="col"), tag("th", "way", scope="col"), *names])
    )
    return tag("table", [head, tag("tbody", [_row(scenario) for scenario in comparison.scenarios])])


def _row(scenario: ComparedScenario) -> Markup:
    name = tag("th", [scenario.title, tag("small", scenario.summary)], scope="row")
    return tag("tr", [name, tag("td", "yes" if scenario.has_way else "no"), *map(_cell, scenario.cells)])


def _cell(cell: ComparedCell) -> Markup:
    word = cell.words[0]
    shown = [_SIGNS[word]] if not cell.is_paired else [f"{cell.after_s:.2f} s"]
    if cell.changes:
        shown = ["~ ", *(_SIGNS[run.word] for run in cell.runs)]
    reason = next((f"\n{run.reason}" for run in cell.runs if run.reason), "")
    if word not in NOT_PLAYED:
        shown.append(tag("small", f"{cell.packets} packets"))
    return tag("td", shown, class_=_shade(cell), title=f"{cell.told()}{reason}\n{cell.command}")


def _shade(cell: ComparedCell) -> str:
    if cell.changes:
        return "changes"
    if not cell.is_paired:
        return _class(cell.words[0])
    return f"paired-{sum(cell.after_s > bound for bound in _SHADES_S)}"


def _class(word: str) -> str:
    return word.replace(" ", "-")


def _program(program: ComparedProgram) -> Iterator[Markup]:
    meeting = " It needs a meeting point." if program.needs_meeting_point else ""
    yield tag("dt", [program.name, tag("small", f" {program.version}")])
    yield tag("dd", f"{program.summary}{meeting} Given up after {program.patience_s:g} s.")
