"""Several programs beside each other: which pair, how fast, and whether that changes from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli import compare, main
from localpair_lab.cli.compare import ComparedCell
from localpair_lab.judge.verdict import Outcome, Verdict

from lab_fake import TWO_DEVICES, FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

ADAPTER = """
adapter: 1
summary: It meets.
steps:
  host: {command: [echo, met], events: {paired: WORD}}
  join: {command: [echo, met], events: {paired: met}}
"""


def outcome(came: str, after: float, verdict: Verdict = Verdict.PASSED) -> Outcome:
    return Outcome(verdict, "namespace", came=came, after_s=after)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([outcome("paired", 0.1), outcome("paired", 0.3), outcome("paired", 2.0)], "paired 0.30 s"),
        ([outcome("failed", 9), outcome("done", 9)], "not paired"),
        ([outcome("paired", 1), outcome("failed", 9)], "paired 1 of 2, not paired 1 of 2 (changes)"),
        ([outcome("", 0, Verdict.UNSUPPORTED)], "unsupported"),
        ([outcome("paired", 1, Verdict.FAILED)], "paired 1.00 s"),
    ],
)
def test_a_cell_says_what_came_of_all_runs(outcomes: list[Outcome], words: str) -> None:
    assert ComparedCell("a/b", tuple(outcomes)).words() == words


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
    words = ["compare", "theme/both.lan.yaml", "--engine", "namespace", "--repeat", "2"]
    assert main.main([*words, "--product", "first.yaml", "--product", "second.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["| scenario | first | second |", "|---|---|---|"]
    for line, title in zip(lines[2:4], ("theme/both [1]", "theme/both [2]"), strict=True):
        assert line.startswith(f"| {title} | paired 0.")
        assert line.endswith(" | one-sided |")
    assert "- first: It meets." in lines
