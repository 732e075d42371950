"""The run loop on an engine without a network: moments, deadlines, what is recorded, and what is judged."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from localpair_lab.engines.registry import make_engine
from localpair_lab.judge.expectations import split_address
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.plan.changes import When
from localpair_lab.plan.model import Plan
from localpair_lab.report.failure import failure_report
from localpair_lab.report.page.record import read_record
from localpair_lab.run.load_pressure import Pressure
from localpair_lab.run.runner import RunOptions, run_cell
from localpair_lab.run.signals import NeverError, Signals
from localpair_lab.timeline import ActionRecord, Record

from lab_fake import OFFER, TWO_DEVICES, FakeEngine, FakeRunning, played

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CellOf
    from localpair_lab.loading.cases import PlannedCell

EXPECT = """
pair: {host: bob, join: alice, timeout: 3s}
expect:
  - {of: [host, join], outcome: paired, within: 3s, exit: 0, path: {network: lan}}
  - {of: join, path: {direction: out, remote: 192.168.1.20}}
"""


def run(cell: PlannedCell, engine: FakeEngine, folder: Path, *, keep: bool = True) -> Outcome:
    return played(cell, engine, folder, keep=keep)


def told(outcome: Outcome) -> str:
    return "\n".join(str(failure) for failure in outcome.failures)


def test_a_pair_passes_and_leaves_a_timeline(cell_of: CellOf, tmp_path: Path) -> None:
    engine = FakeEngine()
    outcome = run(cell_of(TWO_DEVICES + EXPECT), engine, tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    assert outcome.paired_ms == 12.5
    assert engine.running is not None
    assert engine.running.is_down
    timeline = (tmp_path / "artifacts" / "timeline.txt").read_text()
    order = [
        timeline.index(part)
        for part in ("starts on bob", "offer", "starts on alice", "paired", "ends with 0")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(("carried", "passes"), [("true", True), ("false", False)])
def test_a_person_carries_the_answer_code(
    cell_of: CellOf, tmp_path: Path, carried: str, passes: bool
) -> None:
    engine = FakeEngine({"FAKE_host_mood": "answer", "FAKE_join_mood": "answer"})
    outcome = run(
        cell_of(TWO_DEVICES + EXPECT.replace("timeout: 3s", f"timeout: 3s, answer: {carried}")),
        engine,
        tmp_path,
    )
    assert (outcome.verdict is Verdict.PASSED) is passes, told(outcome)
    timeline = (tmp_path / "artifacts" / "timeline.txt").read_text()
    assert ("gets the answer of join" in timeline) is passes


def test_artifacts_of_a_passed_run_go_unless_they_are_kept(cell_of: CellOf, tmp_path: Path) -> None:
    outcome = run(cell_of(TWO_DEVICES + EXPECT), FakeEngine(), tmp_path, keep=False)
    assert outcome.folder is None
    assert not (tmp_path / "artifacts").exists()


def test_no_artifact_holds_the_offer(cell_of: CellOf, tmp_path: Path) -> None:
    run(cell_of(TWO_DEVICES + EXPECT), FakeEngine(), tmp_path)
    for path in (tmp_path / "artifacts").rglob("*"):
        if path.is_file():
            assert b"FAKE-OFFER" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ({"FAKE_host_mood": "crash"}, ["host on bob should end paired", "host should keep its logs clean"]),
        ({"FAKE_join_mood": "refuse"}, ["join on alice should end paired; instead: refused, exit 4"]),
        ({"FAKE_host_mood": "stray"}, ["host should write only JSON events to stdout; instead: 'hello'"]),
        ({"FAKE_host_mood": "leak"}, ["host should not write an offer's secret"]),
    ],
)
def test_what_goes_wrong_is_told(
    cell_of: CellOf, tmp_path: Path, device: dict[str, str], expected: list[str]
) -> None:
    outcome = run(cell_of(TWO_DEVICES + EXPECT), FakeEngine(device), tmp_path)
    assert outcome.verdict is Verdict.FAILED
    for text in expected:
        assert text in told(outcome)


def test_an_offer_on_the_wire_is_told(cell_of: CellOf, tmp_path: Path) -> None:
    class Tapped(FakeEngine):
        async def up(self, plan: Plan, folder: Path) -> FakeRunning:
            (folder / "captures").mkdir()
            (folder / "captures" / "bob.eth0.pcapng").write_bytes(b"..." + OFFER.encode() + b"...")
            return await super().up(plan, folder)

    outcome = run(cell_of(TWO_DEVICES + EXPECT), Tapped(), tmp_path)
    assert told(outcome) == "no offer should cross the wire in plain text; instead: one is in bob.eth0.pcapng"


@pytest.mark.parametrize(
    ("busy", "direction", "verdict"),
    [(0.5, "out", Verdict.FAILED), (0.97, "out", Verdict.BROKEN), (0.97, "in", Verdict.FAILED)],
)
def test_a_missed_bound_proves_nothing_while_programs_wait_for_a_core(
    cell_of: CellOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy: float,
    direction: str,
    verdict: Verdict,
) -> None:
    monkeypatch.setattr("localpair_lab.run.player.Pressure", lambda: SimpleNamespace(share=lambda: busy))
    text = EXPECT.replace("within: 3s", "within: 1ms").replace("direction: out", f"direction: {direction}")
    outcome = run(cell_of(TWO_DEVICES + text), FakeEngine(), tmp_path)
    assert outcome.verdict is verdict
    assert ("waited for a core for 97% of the time" in outcome.reason) is (verdict is Verdict.BROKEN)


def test_pressure_is_the_share_since_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "cpu"
    file.write_text("some avg10=1.00 avg60=1.00 avg300=1.00 total=5000000\nfull avg10=0.00 total=0\n")
    pressure = Pressure(file)
    assert pressure.share() == 0.0
    file.write_text("some avg10=1.00 avg60=1.00 avg300=1.00 total=99000000\nfull avg10=0.00 total=0\n")
    assert pressure.share() == 1.0
    assert Pressure(tmp_path / "none").share() == 0.0


def test_a_process_that_hangs_is_ended_at_its_deadline(cell_of: CellOf, tmp_path: Path) -> None:
    text = (
        TWO_DEVICES
        + "actions: [{do: addresses, on: bob, deadline: 1s}]\nexpect: [{of: addresses, exit: 0}]\n"
    )
    outcome = run(cell_of(text), FakeEngine({"FAKE_addresses_mood": "hang"}), tmp_path)
    assert "addresses should end by itself within 1 s" in told(outcome)
    assert outcome.elapsed_s < 10


def test_a_wrong_path_is_told_with_the_one_that_came(cell_of: CellOf, tmp_path: Path) -> None:
    text = TWO_DEVICES + EXPECT.replace("direction: out", "direction: in").replace(
        "of: join,", "of: join, not_dialled: 172.17.0.1,"
    )
    outcome = run(cell_of(text), FakeEngine(), tmp_path)
    assert (
        "the path of join should have direction in; instead: 192.168.1.10:40000 to 192.168.1.20:46821"
        in told(outcome)
    )
    assert "alice should not dial 172.17.0.1; instead: it did" in told(outcome)


def test_exactly_so_many(cell_of: CellOf, tmp_path: Path) -> None:
    text = TWO_DEVICES + EXPECT + "  - {of: [host, join], exactly: 1, outcome: paired}\n"
    outcome = run(cell_of(text), FakeEngine(), tmp_path)
    assert told(outcome) == "exactly 1 of host, join should fulfil this; instead: 2 did (host, join)"


def test_events_come_at_their_moments_and_those_that_cannot_are_told(cell_of: CellOf, tmp_path: Path) -> None:
    events = """
events:
  - {id: out, at: host.offer, do: cable-out, interface: bob}
  - {at: out.done + 50ms, do: cable-in, interface: bob}
  - {id: late, at: host.verdict, do: kill, device: bob}
"""
    pair = EXPECT.replace("timeout: 3s", "timeout: 3s, join_at: out.done + 300ms")
    engine = FakeEngine()
    outcome = run(cell_of(TWO_DEVICES + events + pair), engine, tmp_path)
    assert engine.running is not None
    assert [getattr(change, "up", None) for change in engine.running.changes] == [False, True]
    assert outcome.verdict is Verdict.PASSED or "the event late should happen" in told(outcome)


def test_helpers_are_ready_before_the_first_action(cell_of: CellOf, tmp_path: Path) -> None:
    text = TWO_DEVICES.replace("192.168.1.20}", "192.168.1.20}, run: {run: squat, port: 47111}") + EXPECT
    outcome = run(cell_of(text), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    assert "bob:squat-0" in (tmp_path / "artifacts" / "timeline.txt").read_text()


def test_a_record_is_written_whatever_programs_say(tmp_path: Path) -> None:
    record = Record()
    record.actions["host"] = ActionRecord("host", "bob", "host", log=["\ud800"])
    record.note(0.5, "json", "host", "\ud800 {}")
    record.write(tmp_path)
    assert "\\ud800 {}" in (tmp_path / "timeline.txt").read_text()
    assert (tmp_path / "host.log").read_text() == "\\ud800\n"
    (line,) = read_record(tmp_path).entries
    assert line.text == "\ud800 {}"


def test_a_run_leaves_its_page_where_its_artifacts_stay(cell_of: CellOf, tmp_path: Path) -> None:
    cell = cell_of(TWO_DEVICES + EXPECT)
    outcome = run(cell, FakeEngine({"FAKE_host_mood": "crash"}), tmp_path)
    assert outcome.folder is not None
    html = (outcome.folder / "report.html").read_text()
    assert "starts on bob" in html
    assert html.count("wanted: host on bob should end paired") == 1
    kept = run(cell, FakeEngine(), tmp_path).folder
    assert kept is not None
    assert "<title>test/example: passed</title>" in (kept / "report.html").read_text()


def test_a_page_that_somebody_wants_outlives_the_artifacts(cell_of: CellOf, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "one.html"
    played = run_cell(
        cell_of(TWO_DEVICES + EXPECT), FakeEngine(), tmp_path / "artifacts", RunOptions(page=page)
    )
    outcome = asyncio.run(played)
    assert outcome.folder is None
    assert not (tmp_path / "artifacts").exists()
    assert "is paired" in page.read_text()


def test_what_an_engine_cannot_do_is_no_failure(cell_of: CellOf, tmp_path: Path) -> None:
    cell = cell_of(TWO_DEVICES + EXPECT)
    assert run(cell, FakeEngine(missing="nat"), tmp_path).verdict is Verdict.UNSUPPORTED
    broken = run(cell, FakeEngine(fault="canary: no frame passed"), tmp_path)
    assert (broken.verdict, broken.hint) == (Verdict.BROKEN, "mend it")
    text = failure_report(cell, broken, tmp_path)
    assert "BROKEN" in text
    assert "hint:  mend it" in text


def test_a_failure_is_told_with_its_line_the_oracle_and_the_way_to_play_it_again(
    cell_of: CellOf, tmp_path: Path
) -> None:
    cell = cell_of(TWO_DEVICES + EXPECT)
    text = failure_report(cell, run(cell, FakeEngine({"FAKE_host_mood": "crash"}), tmp_path), tmp_path)
    for part in (
        "test/example on namespace: FAILED",
        "scenarios/test/example.yaml:12",
        ">   12 |   - {of: [host, join], outcome: paired",
        "wanted   host on bob should end paired",
        "oracle   at the start",
        "timeline, the last",
        "artifacts  artifacts",
        "page       artifacts/report.html",
        "again      localpair-lab run scenarios/test/example.yaml --engine namespace --keep",
    ):
        assert part in text, text


@pytest.mark.parametrize(
    ("text", "address", "scope"),
    [
        ("192.168.1.10:46821", "192.168.1.10", ""),
        ("192.168.1.10", "192.168.1.10", ""),
        ("[fe80::1%eth0]:46821", "fe80::1", "eth0"),
        ("fe80::1%eth0", "fe80::1", "eth0"),
        ("[fd00::1]:1", "fd00::1", ""),
    ],
)
def test_addresses_of_paths_are_split(text: str, address: str, scope: str) -> None:
    assert split_address(text) == (address, scope)


def test_the_board_waits_for_the_nth_moment_and_never_for_what_cannot_come() -> None:
    async def play() -> list[str]:
        signals, came = Signals(), []

        async def wait(when: When, name: str) -> None:
            try:
                await signals.wait(when)
                came.append(name)
            except NeverError as never:
                came.append(f"{name}: {never}")

        async with asyncio.TaskGroup() as group:
            group.create_task(wait(When("a.x", 0.0, 2), "second"))
            group.create_task(wait(When("a.x"), "first"))
            group.create_task(wait(When("b.x"), "never"))
            await asyncio.sleep(0)
            await signals.post("a.x")
            await asyncio.sleep(0)
            await signals.post("a.x")
            await signals.close("b", "b ended")
        return came

    came = asyncio.run(play())
    assert came[0] == "first"
    assert set(came[1:]) == {"second", "never: b.x never came: b ended"}


def test_whoever_wishes_it_hears_when_the_network_stands(cell_of: CellOf, tmp_path: Path) -> None:
    heard: list[str] = []

    class Late(FakeEngine):
        async def up(self, plan: Plan, folder: Path) -> FakeRunning:
            heard.append("up")
            return await super().up(plan, folder)

    cell = cell_of(TWO_DEVICES + EXPECT)
    outcome = asyncio.run(
        run_cell(cell, Late(), tmp_path / "artifacts", RunOptions(stands=lambda: heard.append("stands")))
    )
    assert (outcome.verdict, heard) == (Verdict.PASSED, ["up", "stands"])


def test_cold_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        "localpair_lab.engines.namespace.engine.NamespaceEngine",
        lambda *, cold: asked.append(cold) or FakeEngine(),
    )
    for cold in (True, False):
        make_engine("namespace", {"cold": cold})
    assert asked == [True, False]
