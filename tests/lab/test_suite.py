"""``script/suite.py``: whatever one step comes to, all others run, and the end tells it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest

import places

SCRIPT = places.ROOT / "script" / "suite.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the source distribution has no scripts")


@pytest.fixture(scope="module")
def suite() -> ModuleType:
    found = importlib.util.spec_from_file_location("suite", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["suite"] = module  # its dataclasses look themselves up
    found.loader.exec_module(module)
    return module


def says(text: str, status: int = 0) -> tuple[str, ...]:
    return ("sh", "-c", f"printf '%s\\n' '{text}'; exit {status}")


def test_every_step_runs_and_one_that_fails_is_told_with_what_failed(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        suite.Step("style", says("spaces", 1), beside=True),
        suite.Step("package", says("FAILED tests/a.py::test_b - no", 1)),
        suite.Step("user", says("no useradd here", suite.SKIPPED)),
        suite.Step("containers", says("never said", 1), instead="no engine answers"),
        suite.Step("lab", says("12 passed")),
    ]
    monkeypatch.setattr(suite, "steps", lambda _: steps)
    assert suite.main([]) == 1
    out = capsys.readouterr().out
    assert "never said" not in out
    summary = [line.split() for line in out[out.index("--- summary") :].splitlines()[1:]]
    assert [line[:2] for line in summary if line[0] in {step.name for step in steps}] == [
        ["style", "FAILED"], ["package", "FAILED"], ["user", "skipped"], ["containers", "skipped"], ["lab", "passed"],
    ]  # fmt: skip
    assert ["FAILED", "tests/a.py::test_b", "-", "no"] in summary
    assert summary[-1][:4] == ["style,", "package:", "FAILED", "in"]


def test_the_suite_passes_where_nothing_failed(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [suite.Step("a", says("1 passed")), suite.Step("b", says("not here", suite.SKIPPED))]
    monkeypatch.setattr(suite, "steps", lambda _: steps)
    assert suite.main([]) == 0
    assert "all: passed in" in capsys.readouterr().out


def test_little_room_is_told_before_the_steps_and_beside_what_failed(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "steps", lambda _: [suite.Step("a", says("FAILED a.py::b - no", 1))])
    monkeypatch.setattr(suite, "ROOM", 1 << 62)
    suite.main([])
    before, after = capsys.readouterr().out.split("--- a ")
    assert "MiB are free in" in before
    assert "MiB are free in" in after
    monkeypatch.setattr(suite, "ROOM", 0)
    suite.main([])
    assert "are free in" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "cells", "generated"),
    [([], "theme", {"100 topologies", "60 faults"}), (["--all"], "one", {"300 topologies", "300 faults"})],
)
def test_all_means_more_in_containers_and_more_that_is_generated(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], cells: str, generated: set[str]
) -> None:
    for name in ("CELLS", "WORKERS"):
        monkeypatch.delenv(f"LOCALPAIR_TEST_{name}", raising=False)
    for name in ("GENERATE", "FAULTS"):
        monkeypatch.delenv(f"LOCALPAIR_{name}_COUNT", raising=False)
    monkeypatch.setattr(suite, "_no_containers", lambda: "")
    seen: list[Any] = []
    monkeypatch.setattr(suite.Suite, "run", lambda self: seen.extend(self.steps))
    suite.main(words)
    found = {step.name: step.command for step in seen}
    assert f"--lab-cells={cells}" in found["containers"]
    assert generated <= found.keys()
