"""What a word on the command line means: one scenario, several, or none; none is never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli.main import main
from localpair_lab.loading.cases import scenario_names

if TYPE_CHECKING:
    from pathlib import Path


def isolation() -> list[str]:
    return [name for name in scenario_names() if name.startswith("isolation/")]


@pytest.mark.parametrize("words", [["isolation"], isolation()])
def test_a_theme_is_explained_whole(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *words]) == 0
    told = capsys.readouterr().out
    titles = [line.partition(" [")[0] for line in told.splitlines() if line.startswith("isolation/")]
    assert titles == isolation()
    assert len(titles) > 1


def test_that_a_matrix_has_further_cells_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "two-nics-one-pulled"]) == 0
    shown = capsys.readouterr()
    first = shown.out.splitlines()[0]
    assert f"note: {first} is the first of " in shown.err
    cell = first.partition("[")[2].rstrip("]")
    assert main(["explain", "two-nics-one-pulled", "--cell", cell]) == 0
    assert capsys.readouterr() == (shown.out, "")


@pytest.mark.parametrize("command", ["graph", "render", "up"])
def test_what_is_about_one_scenario_takes_no_theme(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "isolation"]) == 3
    told = capsys.readouterr().err
    assert f"error: 'isolation' means {len(isolation())} scenarios" in told
    assert f"hint: there is {', '.join(isolation())}" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "explain", "validate", "list", "graph"])
def test_a_folder_without_scenarios_is_an_error(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([command, str(tmp_path)]) == 3
    assert f"error: there is no scenario in {str(tmp_path)!r}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--count", "0"), ("--jobs", "0"), ("--first", "-1"), ("--only", "one")])
def test_drawing_nothing_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["generate", *words])
    assert ended.value.code == 2
    assert "write a number" in capsys.readouterr().err
