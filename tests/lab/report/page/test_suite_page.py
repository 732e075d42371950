"""A suite's page: its grid, what is flaky, and that reasons stay text."""

from __future__ import annotations

from localpair_lab.report.page.suite import suite_page
from localpair_lab.report.page.suite_render import suite_html
from localpair_lab.report.summary import SummaryRow

import lab_pages as pages

ROWS = [
    SummaryRow(
        "flow", "flat", "pre", "namespace", "passed", elapsed_s=1.0, paired_ms=120, page="flow/a.html"
    ),
    SummaryRow("flow", "flat", "pre", "compose", "passed", elapsed_s=2.0, paired_ms=220),
    SummaryRow("flow", "flat", "post", "namespace", "failed", elapsed_s=9.0, page="flow/b.html"),
    SummaryRow("noise", "loud", "", "namespace", "passed", elapsed_s=1.0, tried_again="no memory"),
    SummaryRow("noise", "odd", "", "compose", "unsupported", pages.HOSTILE),
    SummaryRow("noise", "odd", "", "namespace", "passed"),
    SummaryRow("noise", "odd", "", "namespace", "failed"),
]


def test_the_grid_has_a_row_for_each_cell_and_a_column_for_each_engine() -> None:
    page = suite_page(ROWS, "")
    assert [column.name for column in page.columns] == ["namespace", "compose"]
    assert [(row.theme, row.name, row.cell) for row in page.rows] == [
        ("flow", "flat", "post"), ("flow", "flat", "pre"), ("noise", "loud", ""), ("noise", "odd", ""),
    ]  # fmt: skip
    post = page.rows[0]
    assert post.played[1] is None
    assert post.longest_s == 9.0


def test_products_have_columns_of_their_own() -> None:
    rows = [SummaryRow("flow", "flat", "", "namespace", "passed", product=name) for name in ("one", "two")]
    assert [column.name for column in suite_page(rows, "").columns] == [
        "two on namespace",
        "one on namespace",
    ]


def test_flaky_is_what_changes_or_was_broken_at_first() -> None:
    assert [row.name for row in suite_page(ROWS, "").rows if row.is_flaky] == ["loud", "odd"]
    odd = suite_page(ROWS, "").rows[-1].played[0]
    assert odd is not None
    assert odd.word == "failed", "the worst of its plays"


def test_the_page_leads_to_the_runs_and_escapes_reasons() -> None:
    html = suite_html(suite_page(ROWS, "pytest lab/ --lab-html=x"))
    assert 'href="flow/a.html"' in html
    assert "pytest lab/ --lab-html=x" in html
    assert "<img" not in html
    assert html.count("<script>") == 1


def test_a_suite_without_plays_is_a_page_too() -> None:
    assert "nothing was played" in suite_html(suite_page([], ""))
