"""Several programs beside each other: which pair, how fast, and whether that changes from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli import compare, main
from localpair_lab.report.comparison import (
    ComparedCell,
    ComparedProgram,
    ComparedRun,
    ComparedScenario,
    Comparison,
    Word,
    markdown,
)
from localpair_lab.report.page.comparison_render import comparison_html

import lab_pages as pages
from lab_fake import TWO_DEVICES, FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

ADAPTER = """
adapter: 1
summary: It meets.
version: [echo, it is 7]
steps:
  host: {command: [echo, met], events: {paired: WORD}}
  join: {command: [echo, met], events: {paired: met}}
"""


def runs(*words: Word, after: tuple[float, ...] = (0.1, 0.3, 2.0)) -> ComparedCell:
    """A cell of which this came."""
    return ComparedCell(
        tuple(ComparedRun(word, after_s, 20) for word, after_s in zip(words, after, strict=False)), "again"
    )


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (runs("paired", "paired", "paired"), "0.30 s; 20"),
        (runs("not paired", "not paired"), "not paired; 20"),
        (runs("paired", "not paired"), "~ paired 1 of 2, not paired 1 of 2; 20"),
        (runs("unsupported"), "unsupported"),
        (runs("one-sided"), "one-sided; 20"),
    ],
)
def test_a_cell_says_what_came_of_all_runs(cell: ComparedCell, told: str) -> None:
    assert cell.told() == told


def made(*rows: tuple[ComparedCell, ComparedCell]) -> Comparison:
    """Two programs, the second of which needs a server, in as many scenarios."""
    programs = tuple(
        ComparedProgram(name, "1.0", f"It is {name}.", name == "second", 20.0) for name in ("first", "second")
    )
    scenarios = tuple(ComparedScenario(f"a/{n}", pages.HOSTILE, True, row) for n, row in enumerate(rows))
    return Comparison(programs, scenarios, "namespace", 3, "localpair-lab compare")


def test_what_changes_is_counted_and_where_others_were_better_is_named() -> None:
    good, bad, changing = (
        runs("paired", "paired"),
        runs("not paired", "not paired"),
        runs("paired", "not paired"),
    )
    comparison = made((good, bad), (bad, good), (changing, good), (runs("unsupported"), bad))
    assert comparison.changing() == (1, 7)
    assert comparison.behind(comparison.programs[0]) == ("a/1", "a/2")
    text = markdown(comparison)
    assert "1 of 7" in text
    assert "| first | 1.0 | - | 1 of 4 | 20 s |" in text
    assert "| second | 1.0 | needed | 2 of 4 | 20 s |" in text
    assert "first did not: a/1, a/2." in text


def test_the_heat_map_shades_what_is_slower_and_marks_what_changes() -> None:
    quick, slow = runs("paired", after=(0.2,)), runs("paired", after=(9.0,))
    html = comparison_html(made((quick, slow), (runs("paired", "not paired"), runs("unsupported"))))
    for shade in ("paired-0", "paired-4", "changes", "unsupported"):
        assert f'<td class="{shade}"' in html
    assert "<script>document" not in html, "what an author wrote is text"
    assert "<script src" not in html


def test_a_table_has_a_row_for_each_cell_and_a_column_for_each_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "make_engine", lambda *_: FakeEngine())
    for name, word in (("first", "met"), ("second", "never")):
        (tmp_path / f"{name}.yaml").write_text(ADAPTER.replace("WORD", word))
    (tmp_path / "theme").mkdir()
    (tmp_path / "theme" / "both.lan.yaml").write_text(
        f"lab: 1\nsummary: Cell ${{n}}.\nmatrix: {{n: [1, 2]}}\n{TWO_DEVICES}pair: {{host: bob, join: alice}}\n"
        "expect: [{of: [host, join], outcome: paired}]\n"
    )
    (tmp_path / "theme" / "other.lan.yaml").write_text("lab: 1\nsummary: It is passed over.\n")
    words = ["compare", "theme/both.lan.yaml", "theme/other.lan.yaml", "--every", "2"]
    words += ["--repeat", "2", "--jobs", "1", "--cells", "all"]
    words += ["--html", "page.html"]
    assert main.main([*words, "--product", "first.yaml", "--product", "second.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("| scenario | way | first | second |")
    for line, title in zip(lines[at + 2 : at + 4], ("theme/both [1]", "theme/both [2]"), strict=True):
        assert line.startswith(f"| {title} | yes | 0.")
        assert line.endswith(" | one-sided; 0 |")
    assert any(line.startswith("| first | it is 7 | - | 2 of 2 |") for line in lines)
    assert (tmp_path / "page.html").stat().st_size > 1000
    assert not list((tmp_path / "lab/artifacts/compare").rglob("*.pcapng")), "what was counted is not kept"
