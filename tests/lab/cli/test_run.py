"""``localpair-lab run``: where a play leaves what it gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli import main, run

from lab_fake import TWO_DEVICES, FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = f"""
lab: 1
summary: Two devices.
{TWO_DEVICES}
pair: {{host: bob, join: alice, timeout: 3s}}
expect:
  - {{of: [host, join], outcome: paired}}
"""


@pytest.mark.parametrize(
    "word", ["../mine.yaml", "./../mine.yaml", "deep/../../mine.yaml", "../own/near.yaml"]
)
def test_a_file_from_elsewhere_leaves_its_artifacts_among_all_others(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own" / "deep").mkdir(parents=True)
    (tmp_path / "mine.yaml").write_text(SCENARIO)
    (tmp_path / "own" / "near.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.setattr(run, "make_engine", lambda *_: FakeEngine())
    assert main.main(["run", word, "--keep", "--engine", "namespace"]) == 0
    kept = {path.parent.relative_to(tmp_path) for path in tmp_path.rglob("timeline.txt")}
    theme, name = ("own", "near") if "near" in word else (tmp_path.name, "mine")
    assert {str(path) for path in kept} == {f"own/lab/artifacts/{theme}/{name}-namespace"}
