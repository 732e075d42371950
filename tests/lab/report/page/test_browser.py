"""The pages in a browser: no complaint, no request, quick, and all of it by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from localpair_lab.judge.verdict import Verdict
from localpair_lab.report.page.build import run_page
from localpair_lab.report.page.record import RunRecord
from localpair_lab.report.page.render import run_html
from localpair_lab.report.page.suite import suite_page
from localpair_lab.report.page.suite_render import suite_html
from localpair_lab.report.summary import SummaryRow

import browser
import lab_pages as pages

CHROMIUM = browser.program()
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=browser.MISSING), pytest.mark.slow]
SCHEMES = [(width, dark) for width in (1280, 400) for dark in (False, True)]
TRIES = 3


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    with browser.tab(str(CHROMIUM), tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(run_html(pages.page(said=pages.HOSTILE)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def index_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        SummaryRow("flow", f"name-{n}", "", "namespace", "failed" if n % 7 == 0 else "passed", pages.HOSTILE,
                   elapsed_s=n % 50, page="report.html", tried_again="x" if n == 9 else "")
        for n in range(400)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("pages") / "index.html"
    path.write_text(suite_html(suite_page(rows, "pytest")), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), SCHEMES)
@pytest.mark.parametrize("which", ["run_file", "index_file"])
def test_a_page_opens_without_a_complaint_or_a_request(
    tab: browser.Tab, which: str, width: int, dark: bool, request: pytest.FixtureRequest
) -> None:
    page: Path = request.getfixturevalue(which)
    tab.open(page, width=width, dark=dark)
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith(("file://", "data:,"))] == []
    assert tab.requests.count(page.as_uri()) == 1
    assert tab.value("document.title") != "taken"
    assert tab.value("document.documentElement.scrollWidth") <= width
    paper = tab.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 24, 29)" if dark else "rgb(247, 248, 250)")


@pytest.mark.parametrize("which", ["run_file", "index_file"])
def test_a_page_opens_within_a_second(tab: browser.Tab, which: str, request: pytest.FixtureRequest) -> None:
    """The best of a few: a busy machine says nothing of the page."""
    took = []
    for _ in range(TRIES):
        tab.open(request.getfixturevalue(which))
        took.append(tab.value("performance.getEntriesByType('navigation')[0].domComplete"))
    assert min(took) < 1000


def test_script_that_was_put_into_the_page_does_not_run(
    tab: browser.Tab, run_file: Path, tmp_path: Path
) -> None:
    """Even where escaping had a hole: the policy knows the page's own script and no other."""
    text = run_file.read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    hole = "<script>document.title='taken'</script><img src='https://192.0.2.1/x' onerror=\"document.title='taken'\">"
    broken.write_text(text.replace("</body>", f"{hole}</body>"), encoding="utf-8")
    tab.open(broken)
    assert tab.value("document.title") != "taken"
    assert "Content Security Policy" in " ".join(tab.complaints)


def test_the_slider_replays_by_keyboard(tab: browser.Tab, run_file: Path) -> None:
    tab.open(run_file)
    tab.value("document.getElementById('moment').focus()")
    assert tab.value("document.querySelectorAll('.row.later').length") == 0
    tab.press("Home")
    rows = tab.value("document.querySelectorAll('.row').length")
    assert tab.value("document.querySelectorAll('.row.later').length") == rows
    tab.press("ArrowRight")
    assert tab.value("document.querySelectorAll('.row.later').length") == rows - 1
    assert tab.value("document.querySelector('.row.now .words').textContent").startswith("bob starts on bob")
    assert "bob starts" in tab.value("document.getElementById('moment').getAttribute('aria-valuetext')")


def test_the_timeline_follows_the_slider(tab: browser.Tab, tmp_path: Path) -> None:
    cell = pages.flat()
    entries = tuple(pages.entry(n / 10, "stderr", "host", f"{n} " + "word " * (n % 90)) for n in range(600))
    page = run_page(cell, pages.outcome(Verdict.PASSED), RunRecord(entries, (), 0), tmp_path)
    path = tmp_path / "page.html"
    path.write_text(run_html(page), encoding="utf-8")
    tab.open(path)
    place = "document.querySelector('.row.now').getBoundingClientRect().top"
    box = "document.querySelector('.timeline').getBoundingClientRect()"
    wait = "const wait = () => left-- ? requestAnimationFrame(wait) : done(0)"
    settle = f"new Promise(done => {{ let left = 8; {wait}; wait(); }})"
    for moment in (450, 100, 599):
        slide = f"const s = document.getElementById('moment'); s.value = {moment}; s.dispatchEvent(new Event('input'))"
        tab.value(f"{{{slide}}}")
        tab.ask("Runtime.evaluate", expression=settle, awaitPromise=True)
        top, bottom = tab.value(f"[{box}.top, {box}.bottom]")
        assert top < tab.value(place) < bottom


def test_a_packet_is_shown_on_its_wires(tab: browser.Tab, run_file: Path) -> None:
    tab.open(run_file)
    tab.value(
        "[...document.querySelectorAll('.row')].find(row => row.dataset.ports === 'alice/eth0 bob/eth0').click()"
    )
    found = "document.querySelectorAll('.state:not([hidden]) .wide .wire.carrying')"
    wires = f"[...{found}].map(wire => wire.dataset.port).sort()"
    assert tab.value(wires) == ["alice/eth0", "bob/eth0"]
    tab.value("document.querySelector('.row.is-lost').click()")
    assert tab.value(wires) == []
    assert tab.value(wires.replace("carrying", "lost")) == ["bob/eth0"]


def test_a_packet_opens_by_keyboard(tab: browser.Tab, run_file: Path) -> None:
    tab.open(run_file)
    tab.value("document.querySelector('.packet summary').focus()")
    tab.press("Enter")
    assert tab.value("document.querySelector('.packet details').open")
    assert "left" in tab.value("document.querySelector('.packet .detail').textContent")
    tab.press("Enter")
    assert not tab.value("document.querySelector('.packet details').open")


def test_rows_are_chosen_by_their_kind(tab: browser.Tab, run_file: Path) -> None:
    tab.open(run_file)
    shown = "[...document.querySelectorAll('.packet')].filter(row => row.getClientRects().length).length"
    assert tab.value(shown) > 0
    tab.value("document.getElementById('show-packet').focus()")
    tab.press("Space")
    assert tab.value(shown) == 0


def test_play_runs_to_the_end(tab: browser.Tab, run_file: Path) -> None:
    tab.open(run_file)
    tab.value("document.getElementById('play').focus()")
    tab.press("Enter")
    assert tab.value("document.getElementById('play').textContent") == "Pause"
    ended = (
        "new Promise(done => { const look = () => document.getElementById('play').textContent === 'Play' "
        "? done(document.querySelectorAll('.row.later').length) : requestAnimationFrame(look); look(); })"
    )
    answer = tab.ask("Runtime.evaluate", expression=ended, awaitPromise=True, returnByValue=True)
    assert answer["result"]["value"] == 0


def test_a_narrow_window_has_the_narrow_drawing(tab: browser.Tab, run_file: Path) -> None:
    for width, name in ((1280, "wide"), (400, "narrow")):
        tab.open(run_file, width=width)
        shown = "[...document.querySelectorAll('.state > div')].filter(one => one.getClientRects().length)"
        assert tab.value(f"{shown}.map(one => one.className)") == [name]


def test_the_index_is_filtered_and_sorted(tab: browser.Tab, index_file: Path) -> None:
    tab.open(index_file)
    shown = "document.querySelectorAll('tr.cell:not([hidden])').length"
    assert tab.value(shown) == 400
    tab.value("document.querySelector('.word[value=passed]').click()")
    assert tab.value(shown) == 58
    tab.value(
        "document.querySelector('.word[value=passed]').click(); document.getElementById('flaky').click()"
    )
    assert tab.value(shown) == 1
    tab.value("document.getElementById('flaky').click()")
    tab.value(
        "const s = document.getElementById('search'); s.value = 'name-39'; s.dispatchEvent(new Event('input'))"
    )
    assert tab.value(shown) == 11
    tab.value(
        "const o = document.getElementById('order'); o.value = 'time'; o.dispatchEvent(new Event('input'))"
    )
    first = "document.querySelector('tr.cell').dataset.time"
    assert float(tab.value(first)) == 49


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.BROKEN])
def test_other_verdicts_have_pages_too(tab: browser.Tab, verdict: Verdict, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(run_html(pages.page(verdict)), encoding="utf-8")
    tab.open(path)
    assert tab.complaints == []
    assert tab.value("document.querySelector('.verdict').textContent") == verdict.value
