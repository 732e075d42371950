"""The table of docs/reachability.md: rows that are renewed, kept and dropped, and a page that is not stale."""

from __future__ import annotations

import pytest
from localpair_lab.loading.cases import scenario_names
from localpair_lab.report.results_page import BEGIN, END, fresh_rows, rows_of, updated
from localpair_lab.report.summary import SummaryRow

import places

PAGE = places.ROOT / "docs" / "reachability.md"
TEXT = f"""Before.

{BEGIN}
| scenario | outcome | path | time |
|---|---|---|---|
| [flow/flat](../lab/scenarios/flow/flat.yaml) | paired | in offer | 0.4 s |
| [flow/gone](../lab/scenarios/flow/gone.yaml) | paired | in offer | 0.4 s |
{END}

After.
"""


def result(scenario: str, **more: object) -> SummaryRow:
    usual = {"came": "paired", "path": "out offer", "after_s": 0.44, "cell": "", "word": "passed"}
    return SummaryRow("flow", scenario, engine="namespace", **usual | more)  # type: ignore[arg-type]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_the_page_has_a_row_for_every_scenario_and_for_nothing_else() -> None:
    renew = "pytest lab/ -n auto --lab-engine=namespace --lab-table=docs/reachability.md"
    assert sorted(rows_of(PAGE.read_text())) == sorted(scenario_names()), f"renew the table: {renew}"


def test_what_was_played_is_renewed_what_was_not_is_kept_what_is_gone_goes() -> None:
    text = updated(TEXT, [result("new")], ["flow/flat", "flow/new"])
    assert list(rows_of(text)) == ["flow/flat", "flow/new"]
    assert cells(rows_of(text)["flow/flat"]) == ["paired", "in offer", "0.4 s"]
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    again = updated(text, [result("flat", after_s=12.3)], ["flow/flat"])
    assert cells(rows_of(again)["flow/flat"]) == ["paired", "out offer", "12 s"]


def test_the_cells_of_a_scenario_share_a_row() -> None:
    many = [
        result("flat"),
        result("flat", cell="none", path="in multicast", after_s=2.26),
        result("flat", cell="shut", came="failed", path="", after_s=20.4),
    ]
    assert cells(fresh_rows(many)["flow/flat"]) == [
        "no pair, paired",
        "in multicast, out offer",
        "0.4 to 20 s",
    ]


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"came": "refused"}, "refused"),
        ({"came": "interrupted"}, "ended by hand"),
        ({"word": "failed"}, "failed"),
        ({"word": "unsupported", "came": ""}, "unsupported"),
        ({"word": "expected failure", "reason": "a hole"}, "not yet: a hole"),
    ],
)
def test_what_did_not_pass_is_told(more: dict[str, object], outcome: str) -> None:
    assert cells(fresh_rows([result("flat", **more)])["flow/flat"])[0] == outcome


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- table: begin -->"):
        updated("nothing", [], [])
