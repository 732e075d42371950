"""A suite's page as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from localpair_lab.report.page.frame import framed
from localpair_lab.report.page.markup import Markup, joined, tag
from localpair_lab.report.page.suite import Played, SuiteColumn, SuitePage, SuiteRow
from localpair_lab.report.summary import SummaryRow, time_words

_SIGNS = {"passed": "✓", "failed": "✗", "broken": "!", "unsupported": "○", "expected failure": "✓"}


def suite_html(page: SuitePage) -> str:
    """The whole file."""
    words = ", ".join(f"{count} {word}" for word, count in page.words)
    body = joined([_header(page, words), _filters(page), _grid(page), _end(page)], "\n")
    return framed(f"The lab: {words}", body, styles=["index.css"], scripts=["index.js"])


def _header(page: SuitePage, words: str) -> Markup:
    told = [f"{len(page.rows)} cells: {words or 'nothing was played'}"]
    if page.flaky:
        told.append(f"{page.flaky} flaky")
    told.append(f"{page.played_s:.0f} s of plays")
    return tag("header", [tag("h1", "The lab"), tag("p", " · ".join(told))])


def _filters(page: SuitePage) -> Markup:
    search = tag(
        "input", type="search", id="search", placeholder="scenario, cell or reason", aria_label="Search"
    )
    words = [_choice(f"word-{_class(word)}", f"{word} ({count})", word) for word, count in page.words]
    flaky = tag("label", [tag("input", type="checkbox", id="flaky"), f" only flaky ({page.flaky})"])
    options = [
        tag("option", text, value=value) for value, text in (("name", "by name"), ("time", "slowest first"))
    ]
    order = tag("label", ["order ", tag("select", options, id="order")])
    count = tag("output", id="count", class_="soft")
    return tag("div", [search, *words, flaky, order, count], class_="filters", role="search", hidden=True)


def _choice(name: str, text: str, word: str) -> Markup:
    return tag(
        "label", [tag("input", type="checkbox", id=name, class_="word", value=word, checked=True), f" {text}"]
    )


def _class(word: str) -> str:
    return word.replace(" ", "-")


# --- The grid ---


def _grid(page: SuitePage) -> Markup:
    head = tag("tr", [tag("th", "scenario", scope="col"), *map(_column, page.columns)])
    bodies = [
        _theme(page, theme, list(rows)) for theme, rows in groupby(page.rows, key=lambda row: row.theme)
    ]
    table = tag("table", [tag("thead", head), *bodies])
    return tag("div", table, class_="grid panel", tabindex="0", role="region", aria_label="Results")


def _column(column: SuiteColumn) -> Markup:
    counts = ", ".join(f"{count} {word}" for word, count in column.counts)
    paired = (
        f"; paired after {time_words(column.median_paired_ms)} (median)" if column.median_paired_ms else ""
    )
    return tag("th", [column.name, tag("small", counts + paired)], scope="col")


def _theme(page: SuitePage, theme: str, rows: list[SuiteRow]) -> Markup:
    head = tag("tr", tag("th", theme, scope="rowgroup", colspan=str(1 + len(page.columns))), class_="theme")
    return tag("tbody", [head, *map(_row, rows)])


def _row(row: SuiteRow) -> Markup:
    cell = tag("small", row.cell) if row.cell else ""
    flaky = tag("span", "flaky", class_="flaky") if row.is_flaky else ""
    name = tag("th", [row.name, " ", cell, " ", flaky], scope="row")
    reasons = " ".join(_reason(run) for one in row.played if one for run in one.runs)
    return tag(
        "tr", [name, *map(_played, row.played)], class_="cell", data_words="|".join(row.words),
        data_flaky="yes" if row.is_flaky else None, data_time=f"{row.longest_s:.3f}",
        data_text=f"{row.theme}/{row.name} {row.cell} {reasons}".lower(),
    )  # fmt: skip


def _played(played: Played | None) -> Markup:
    if played is None:
        return tag("td", tag("span", "not played", class_="soft"))
    return tag("td", joined([*_chips(played)], " "), class_=_class(played.word))


def _chips(played: Played) -> Iterator[Markup]:
    for run in played.runs:
        words = [tag("span", _SIGNS.get(run.word, "✗"), aria_hidden="true"), f" {run.word} {_taken(run)}"]
        reason = _reason(run)
        if run.page:
            yield tag("a", words, href=run.page, class_=f"chip {_class(run.word)}", title=reason or None)
        else:
            yield tag("span", words, class_=f"chip {_class(run.word)}", title=reason or None)
        if reason:
            yield tag("small", reason)


def _reason(run: SummaryRow) -> str:
    again = f"broken at first: {run.tried_again}" if run.tried_again else ""
    return "; ".join(part for part in (run.reason, again) if part)


def _taken(run: SummaryRow) -> str:
    if run.word == "unsupported":
        return ""
    return time_words(run.paired_ms) if run.paired_ms and run.word == "passed" else f"{run.elapsed_s:.1f} s"


def _end(page: SuitePage) -> Markup:
    if not page.command:
        return Markup("")
    return tag("section", [tag("h2", "Play it again"), tag("pre", tag("code", page.command), class_="panel")])
