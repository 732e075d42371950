"""Receiving by ``host``, ``join`` and ``listen``: where, on which terms, and who is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_fakes import Api, Session
from localpair.cli import main
from localpair.terms import Terms


@pytest.mark.parametrize(
    ("inside", "landing", "why"),
    [
        (".", "localpair-received", "your home is here"),
        ("..", "localpair-received", "your home is here"),
        (".ssh", "localpair-received", "programs keep their settings here"),
        (".config/autostart", "localpair-received", "programs keep their settings here"),
        ("project", "localpair-received", ".git is here"),
        ("Downloads", "", ""),
        ("localpair-received", "", ""),
        ("new/in", "", ""),
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_what_comes_lies_in_a_folder_of_its_own_where_programs_look(
    inside: str, landing: str, why: str, allowed: bool, api: Api, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    home = tmp_path / "users" / "anna"
    for folder in ("project/.git", "Downloads/.Trash-1000", "Downloads/d"):
        (home / folder).mkdir(parents=True)
    for name in (".DS_Store", ".localized", "a.txt"):
        (home / "Downloads" / name).touch()
    monkeypatch.setenv("HOME", str(home))
    words = ["host", "--receive", str(home / inside), "--yes", *(["--allow-hidden"] if allowed else [])]
    assert main(words, api) == 0
    expected = home / inside if allowed else home / inside / landing
    assert api.pairing.session_.received_into == expected
    assert expected.is_dir()
    said = " ".join(capsys.readouterr().err.split())
    assert ("Storing in" in said) is bool(landing and not allowed)
    if landing and not allowed:
        assert f": {why}. `--allow-hidden` stores in" in said


def test_a_link_to_home_is_home(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "anna")
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    assert main(["host", "--receive", str(tmp_path / "link"), "--yes"], api) == 0
    assert (tmp_path / "anna" / "localpair-received").is_dir()


def test_the_terms_of_receiving_are_handed_on(api: Api, tmp_path: Path) -> None:
    words = ["--receive", str(tmp_path), "--max-files", "2", "--max-size", "1k", "--max-depth", "3"]
    assert main(["host", *words, "--yes"], api) == 0
    assert api.pairing.session_.terms == Terms(2, 1000, 3)
    api.listened = [Session()]
    assert main(["listen", *words, "--once"], api) == 0
    assert api.listened[0].terms == Terms(2, 1000, 3)
