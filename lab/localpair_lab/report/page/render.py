"""A run's page as HTML: the model in, one file out. Everything that a device or an author wrote is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from localpair_lab.oracle.words import state_words
from localpair_lab.report.drawing.layout import NARROW, WIDE
from localpair_lab.report.drawing.svg import inline, layout, style
from localpair_lab.report.page.frame import framed, laning
from localpair_lab.report.page.markup import Markup, joined, tag
from localpair_lab.report.page.model import (
    Arrow,
    CauseFound,
    Detail,
    FailedExpectation,
    OracleState,
    Row,
    RunPage,
    SourceLine,
)

_FILTERS = (
    ("packet", "packets", True),
    ("kernel", "ARP and the like", False),
    ("said", "what programs say", True),
    ("action", "starts and ends", True),
    ("helper", "helpers", False),
    ("trace", "traces", False),
)
_MANY_LANES = 5
_MOST_LANES = 24


def run_html(page: RunPage, *, live: bool = False) -> str:
    """The whole file; ``live``: for a network that stands, it asks its server again and again for what has come."""
    body = joined([*_sections(page, live=live)], "\n")
    return framed(
        f"{page.title}: {page.verdict}",
        body,
        styles=["page.css"],
        scripts=["page.js", "live.js"] if live else ["page.js"],
        asks=live,
        extra=style() + laning(_MOST_LANES),
    )


def _sections(page: RunPage, *, live: bool) -> Iterator[Markup]:
    yield _header(page)
    if live:
        yield tag("p", id="live", class_="soft", role="status")
    if page.failures or page.reason:
        yield _why(page)
    if page.causes:
        yield _section("causes", "What the devices concluded", [_cause(cause) for cause in page.causes])
    yield tag("h2", "What happened", id="run")
    yield tag("div", [_stage(page), _story(page)], class_="run")
    if page.oracle or page.happened:
        yield _beside(page)
    yield _source(page)
    again = tag("pre", tag("code", page.command))
    yield _section("again", "Play it again", [again])


def _section(name: str, title: str, content: Iterable[Markup]) -> Markup:
    head = tag("h2", title, id=f"{name}-title")
    inner = tag("div", content, class_="panel")
    return tag("section", [head, inner], aria_labelledby=f"{name}-title", class_=name)


# --- At the top ---


def _header(page: RunPage) -> Markup:
    title = tag("h1", [tag("span", page.verdict, class_="verdict"), " ", page.title])
    facts = tag(
        "dl", [tag("div", [tag("dt", name), tag("dd", value)]) for name, value in page.facts], class_="facts"
    )
    content = [title, tag("p", page.summary), facts]
    if links := [_link(one) for one in page.references]:
        content.append(tag("p", joined(["Told in ", joined(links, ", ")]), class_="soft"))
    return tag("header", content, class_=page.verdict)


def _link(address: str) -> Markup:
    """A link where it leads to a page; any other text, ``javascript:`` among them, as it is."""
    if address.startswith(("https://", "http://")):
        return tag("a", address, href=address, rel="noreferrer noopener")
    return joined(address)


def _why(page: RunPage) -> Markup:
    content = [_failure(failure) for failure in page.failures]
    if page.reason:
        content.insert(0, tag("p", page.reason))
    if page.hint:
        content.insert(1, tag("p", ["hint: ", page.hint], class_="soft"))
    return _section("why", "Why", content)


def _failure(failure: FailedExpectation) -> Markup:
    pairs = [("wanted", joined(failure.wanted)), ("instead", joined(failure.came))]
    if failure.line:
        link = tag("a", f"line {failure.line} of the scenario", href=f"#line-{failure.line}")
        pairs.append(("expected by", link))
    if failure.evidence:
        pairs.append(("it said", tag("pre", "\n".join(failure.evidence))))
    parts = [part for name, value in pairs for part in (tag("dt", name), tag("dd", value))]
    return tag("div", tag("dl", parts), class_="failure")


def _cause(cause: CauseFound) -> Markup:
    head = tag(
        "p", [tag("b", cause.device), f": {cause.text}", f" ({cause.certainty})" if cause.certainty else ""]
    )
    hint = [tag("p", ["hint: ", cause.hint], class_="soft")] if cause.hint else []
    evidence = [tag("ul", [tag("li", line) for line in cause.evidence])] if cause.evidence else []
    return tag("div", [head, *hint, *evidence], class_="failure")


# --- The drawing and its slider ---


def _stage(page: RunPage) -> Markup:
    last = len(page.states) - 1
    drawings = [_drawing(page, number, is_hidden=number != last) for number in range(len(page.states))]
    return tag("div", [*drawings, _replay(len(page.rows))], class_="stage panel")


def _drawing(page: RunPage, number: int, *, is_hidden: bool) -> Markup:
    plan = page.states[number]
    label = f"The network {state_words(number)}"
    rooms = (("wide", WIDE), ("narrow", NARROW))
    pictures = [
        tag("div", Markup(inline(layout(plan, page.prefixes, room, status=True), label)), class_=name)
        for name, room in rooms
    ]
    return tag("div", pictures, class_="state", data_state=str(number), hidden=is_hidden)


def _replay(rows: int) -> Markup:
    slider = tag(
        "input", type="range", id="moment", min="0", max=str(rows), value=str(rows), step="1",
        aria_label="Moment of the run",
    )  # fmt: skip
    button = tag("button", "Play", type="button", id="play")
    parts = [button, slider, tag("time", id="clock"), tag("output", id="told", for_="moment")]
    return tag("div", parts, class_="replay", role="group", aria_label="Replay", hidden=True)


# --- The timeline ---


def _story(page: RunPage) -> Markup:
    kinds = {row.kind for row in page.rows}
    filters = [_filter(*one) for one in _FILTERS if one[0] in kinds]
    choose = tag("fieldset", [tag("legend", "Show"), *filters], class_="filters")
    rows = tag("ol", [_row(row) for row in page.rows])
    many = " many" if len(page.lanes) > _MANY_LANES else ""
    content = [_lanes(page.lanes), rows] if page.rows else [tag("p", "Nothing was recorded.", class_="panel")]
    timeline = tag(
        "div", content, class_=f"timeline panel lanes-{min(len(page.lanes), _MOST_LANES)}{many}", tabindex="0",
        role="region", aria_label="Timeline",
    )  # fmt: skip
    left_out = [tag("p", ["Not shown: ", "; ".join(page.left_out)], class_="soft")] if page.left_out else []
    return tag("div", [choose, timeline, *left_out], class_="story")


def _filter(name: str, words: str, checked: bool) -> Markup:
    box = tag("input", type="checkbox", id=f"show-{name}", checked=checked)
    return tag("label", [box, f" {words}"])


def _lanes(lanes: Sequence[str]) -> Markup:
    names = tag("span", [tag("span", name, title=name) for name in lanes], class_="graph")
    return tag("div", [tag("span", "s", class_="at"), names, tag("span", "")], class_="lanes line")


def _row(row: Row) -> Markup:
    at = tag("span", f"{row.at:.3f}", class_="at")
    graph = tag("span", _marks(row), class_="graph", aria_hidden="true")
    who = tag("b", row.who) if row.kind not in ("packet", "kernel") else None
    words = tag("span", [who, " ", row.text] if who else row.text, class_="words")
    line = [at, graph, words]
    content = (
        tag("details", [tag("summary", line, class_="line"), _detail(row.detail)])
        if row.detail.parts or row.detail.text
        else tag("div", line, class_="line")
    )
    return tag(
        "li", content, class_=f"row {row.kind} {row.tone}-tone{' is-lost' if row.is_lost else ''}",
        data_at=f"{row.at:.4f}", data_state=str(row.state), data_ports=" ".join(row.ports) or None,
        data_who=row.who, data_says=row.says or None,
    )  # fmt: skip


def _marks(row: Row) -> Iterator[Markup]:
    for arrow in row.arrows:
        yield _arrow(arrow, is_lost=row.is_lost)
    if row.lane is not None:
        yield tag("i", class_=f"dot l{min(row.lane, _MOST_LANES - 1)}")


def _arrow(arrow: Arrow, *, is_lost: bool) -> Markup:
    if arrow.end is None or arrow.end == arrow.start:
        return tag("i", class_=f"stub l{arrow.start}{'' if is_lost else ' own'}")
    left, width = min(arrow.start, arrow.end), abs(arrow.start - arrow.end)
    return tag("i", class_=f"arrow l{left} w{width} {'right' if arrow.end > arrow.start else 'left'}")


def _detail(detail: Detail) -> Markup:
    pairs = [part for name, value in detail.parts for part in (tag("dt", name), tag("dd", value))]
    parts = [tag("dl", pairs, class_="parts")] if pairs else []
    return tag("div", [*parts, *([tag("pre", detail.text)] if detail.text else [])], class_="detail")


# --- Below ---


def _beside(page: RunPage) -> Markup:
    oracle = tag("div", [tag("h2", "What the network allows"), *map(_state, page.oracle)])
    happened = tag(
        "div",
        [tag("h2", "What came of it"), tag("ul", [tag("li", line) for line in page.happened], class_="ways")],
    )
    parts = [part for part, is_there in ((oracle, page.oracle), (happened, page.happened)) if is_there]
    return tag("section", parts, class_="beside")


def _state(state: OracleState) -> Markup:
    ways = [
        tag(
            "li",
            [words, tag("span", " (it was this one)") if taken else ""],
            class_="taken" if taken else None,
        )
        for words, taken in state.ways
    ]
    told = tag("ul", ways, class_="ways") if ways else tag("p", f"no way: {', '.join(state.causes)}")
    return tag("div", [tag("p", state.when, class_="soft"), told])


def _source(page: RunPage) -> Markup:
    lines = tag("div", [_line(line) for line in page.source], class_="source panel")
    return tag("section", [tag("h2", ["The scenario ", tag("code", page.source_name)]), lines])


def _line(line: SourceLine) -> Markup:
    wrong = [tag("em", f"wanted: {failure}") for failure in line.failures]
    code = tag("code", [line.text or " ", *wrong])
    return tag(
        "div",
        [tag("span", str(line.number)), code],
        id=f"line-{line.number}",
        class_="wrong" if wrong else None,
    )
