"""What a stranger's scenario, or a device, cannot do to the screen and the pages of whoever plays it."""

from __future__ import annotations

from pathlib import Path

import pytest
from localpair_lab.cli.main import main
from localpair_lab.loading.load import load
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.report.page.markup import tag, text

HIDDEN = "\x1b[2J\x1b[8m\x9b\a\u202e\u2066\u200b\u3164\u2800\ufe0f\U000e0041\ufffc"
SCENARIO = """
lab: 1
summary: "told SIGNS"
"key SIGNS": 1
networks:
  "lan SIGNS": {}
"""


def is_harmless(shown: str) -> bool:
    return not set(HIDDEN) - set("[28mJ") & set(shown)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    file = tmp_path / "strange.lan.yaml"
    signs = "".join(f"\\U{ord(one):08x}" for one in HIDDEN)
    file.write_text(SCENARIO.replace("SIGNS", signs), encoding="utf-8")
    return file


def test_the_problems_of_a_file_move_nothing_on_the_screen(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(scenario)]) == 1
    shown = capsys.readouterr()
    assert "lan \\x1b[2J" in shown.out
    assert is_harmless(shown.out + shown.err)
    with pytest.raises(ScenarioError) as told:
        load(scenario)
    assert is_harmless(str(told.value))


def test_pages_and_drawings_show_what_hides() -> None:
    page = tag("p", f"a label {HIDDEN}\nof two lines", title=HIDDEN)
    assert is_harmless(page)
    assert "\\u202e" in page
    assert "\\u3164" in page
    assert "\n" in page
    assert text("gr\u00fc\u00dfe \u65e5\u672c \U0001f600") == "gr\u00fc\u00dfe \u65e5\u672c \U0001f600"
