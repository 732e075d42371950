"""The confusion table of docs/diagnosis.md: what a verdict is worth, and a page that names every failure there is."""

from __future__ import annotations

import pytest
from localpair_lab.loading.cases import PlannedCell, all_cells
from localpair_lab.report.confusion import (
    BEGIN,
    END,
    GRADES,
    HEAD,
    ConfusionRow,
    expects_a_cause,
    grade,
    table,
    titles,
    updated,
)

import places

PAGE = places.ROOT / "docs" / "diagnosis.md"
RENEW = "renew the table: .venv/bin/python script/confusion.py"


@pytest.fixture(scope="module")
def cells() -> list[PlannedCell]:
    return list(all_cells())


@pytest.mark.parametrize(
    ("told", "worth"),
    [
        (None, ""),
        ([], "none"),
        ([["no-carrier"]], "right"),
        ([["no-carrier"], ["proxy-arp"]], "right"),
        ([["peer-absent", "no-carrier"]], "vague"),
        ([["no-carrier"], ["peer-absent"]], "wrong"),
        ([["peer-absent", "client-isolation"]], "wrong"),
    ],
)
def test_a_verdict_is_held_against_what_is_true(told: list[list[str]] | None, worth: str) -> None:
    assert grade(told, ["no-carrier", "proxy-arp"]) == worth


def test_a_row_tells_what_was_said_beside_the_truth_and_the_last_one_sums_up() -> None:
    rows = [
        ConfusionRow("b/two", ("no-carrier",), [["peer-absent", "no-carrier"]], [], [["no-carrier"]]),
        ConfusionRow("a/one", ("no-carrier",), [["proxy-arp"]], None, [["no-carrier"]]),
    ]
    assert table(rows).splitlines() == [
        BEGIN,
        *HEAD,
        "| a/one | no-carrier | wrong: proxy-arp |  | right |",
        "| b/two | no-carrier | vague: peer-absent or no-carrier | none | right |",
        "| 2 | | 1 vague, 1 wrong | 1 none | 2 right |",
        END,
    ]
    assert list(titles(table(rows))) == ["a/one", "b/two"]


def test_a_page_keeps_all_else_and_one_without_marks_is_refused() -> None:
    assert updated(f"before {BEGIN} old {END} after", []).startswith("before <!--")
    assert updated(f"before {BEGIN} old {END} after", []).endswith("--> after")
    with pytest.raises(ValueError, match="there is no <!-- confusion: begin -->"):
        updated("nothing", [])


def test_every_scenario_that_fails_expects_its_cause(cells: list[PlannedCell]) -> None:
    failing = [
        one for one in cells if {entry.outcome for entry in one.scenario.expect} & {"failed", "refused"}
    ]
    assert failing
    assert [one.title for one in failing if not expects_a_cause(one)] == []


def test_the_page_has_a_row_for_each_of_them_and_for_nothing_else(cells: list[PlannedCell]) -> None:
    found = sorted(titles(PAGE.read_text(encoding="utf-8")))
    assert found == sorted(one.title for one in cells if expects_a_cause(one)), RENEW


def test_the_pages_rows_are_of_the_scripts_form_and_none_is_wrong(cells: list[PlannedCell]) -> None:
    inside = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert tuple(inside[: len(HEAD)]) == HEAD
    for line in inside[len(HEAD) : -1]:
        said = [cell.strip().partition(":")[0] for cell in line.strip("|").split("|")[2:]]
        assert len(said) == 3
        assert set(said) <= {"", *GRADES} - {"wrong"}, line
