"""What the product traces, on an engine without a network: where it goes, in which order, and what is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli import main
from localpair_lab.cli import run as command
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.report.failure import failure_report

from lab_fake import TWO_DEVICES, FakeEngine, FakeRunning, played

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CellOf
    from localpair_lab.loading.cases import PlannedCell
    from localpair_lab.plan.model import Plan

PAIR = f"""{TWO_DEVICES}
pair: {{host: bob, join: alice, timeout: 3s}}
expect:
  - {{of: [host, join], outcome: paired}}
"""


def run(cell: PlannedCell, engine: FakeEngine, folder: Path, *, trace: bool = True) -> Outcome:
    return played(cell, engine, folder, keep=True, trace=trace)


def timeline(folder: Path) -> list[tuple[str, str, str, float]]:
    lines = (folder / "artifacts" / "timeline.jsonl").read_text("utf-8").splitlines()
    return [(line["kind"], line["who"], line["text"], line["at"]) for line in map(json.loads, lines)]


def test_both_sides_are_merged_in_the_order_of_what_happened(cell_of: CellOf, tmp_path: Path) -> None:
    outcome = run(cell_of(PAIR), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED
    traced = [(who, text) for kind, who, text, _ in timeline(tmp_path) if kind == "trace"]
    assert sorted(traced) == [
        ("host", 'frame {"way": "in"}'),
        ("host", "run {}"),
        ("join", 'frame {"way": "out"}'),
        ("join", "run {}"),
    ]
    # The joiner writes its frame once it has the offer, and the host shows that after its own frame.
    assert traced.index(("host", "run {}")) < traced.index(("host", 'frame {"way": "in"}'))
    assert traced[-1] == ("join", 'frame {"way": "out"}')
    for action in ("host", "join"):
        kept = (tmp_path / "artifacts" / f"{action}.trace.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["kind"] for line in kept] == ["run", "frame"]


@pytest.mark.parametrize("clock", ["-100000", "70000"])
def test_a_computer_with_a_clock_of_its_own_begins_when_its_action_does(
    cell_of: CellOf, tmp_path: Path, clock: str
) -> None:
    run(cell_of(PAIR), FakeEngine({"FAKE_join_clock": clock}), tmp_path)
    of_join = [(kind, text, at) for kind, who, text, at in timeline(tmp_path) if who == "join"]
    (started,) = (at for kind, text, at in of_join if kind == "action" and text.startswith("starts on"))
    (ended,) = (at for kind, text, at in of_join if kind == "action" and text.startswith("ends with"))
    first, last = (at for kind, _, at in of_join if kind == "trace")
    assert first == pytest.approx(started, abs=0.001)
    assert first <= last <= ended


def test_nobody_traces_unasked(cell_of: CellOf, tmp_path: Path) -> None:
    run(cell_of(PAIR), FakeEngine(), tmp_path, trace=False)
    assert not [kind for kind, *_ in timeline(tmp_path) if kind == "trace"]
    assert not list((tmp_path / "artifacts").rglob("*.trace.jsonl"))


class Losing(FakeEngine):
    """One trace is gone, the other was cut off."""

    async def up(self, plan: Plan, folder: Path) -> FakeRunning:
        running = await super().up(plan, folder)
        get = running.get

        async def lossy(node: str, name: str) -> bytes:
            if node == "bob":
                raise FileNotFoundError(name)
            return (await get(node, name))[:-5]

        running.get = lossy  # type: ignore[method-assign]
        return running


def test_a_trace_that_is_missing_is_noted_and_no_failure(cell_of: CellOf, tmp_path: Path) -> None:
    outcome = run(cell_of(PAIR), Losing(), tmp_path)
    assert outcome.verdict is Verdict.PASSED
    assert [text for kind, *_, text, _ in timeline(tmp_path) if kind == "run"] == [
        "no trace of host: host.trace.jsonl"
    ]
    assert [text for kind, _, text, _ in timeline(tmp_path) if kind == "trace"] == ["run {}"]


def test_an_offer_in_a_trace_is_told_and_the_report_shows_no_trace(cell_of: CellOf, tmp_path: Path) -> None:
    cell = cell_of(PAIR)
    outcome = run(cell, FakeEngine({"FAKE_host_mood": "leak-trace"}), tmp_path)
    assert [str(failure) for failure in outcome.failures] == [
        "host should not write an offer's secret; instead: its trace holds a piece of it"
    ]
    report = failure_report(cell, outcome, tmp_path)
    assert "ends with 0" in report
    assert "  trace   " not in report


def test_the_command_keeps_what_it_was_asked_to_trace(
    cell_of: CellOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cell_of(PAIR).loaded.path
    monkeypatch.setattr(command, "make_engine", lambda *_, **__: FakeEngine())
    monkeypatch.setattr(command, "ARTIFACTS", tmp_path / "kept")
    monkeypatch.setattr(command, "engine_names", lambda _: ["namespace"])
    assert main.main(["run", str(path), "--trace"]) == 0
    (found,) = (tmp_path / "kept").rglob("timeline.txt")
    assert found.read_text("utf-8").count("  trace   ") == 4
