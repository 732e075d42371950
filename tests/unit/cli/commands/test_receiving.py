"""Receiving by ``host``, ``join`` and ``listen``: where, on which terms, and who is asked."""

from __future__ import annotations

from pathlib import Path

from cli_fakes import Api, Session
from localpair.cli import main
from localpair.terms import Terms


def test_the_terms_of_receiving_are_handed_on(api: Api, tmp_path: Path) -> None:
    words = ["--receive", str(tmp_path), "--max-files", "2", "--max-size", "1k", "--max-depth", "3"]
    assert main(["host", *words, "--yes"], api) == 0
    assert api.pairing.session_.terms == Terms(2, 1000, 3)
    api.listened = [Session()]
    assert main(["listen", *words, "--once"], api) == 0
    assert api.listened[0].terms == Terms(2, 1000, 3)
