"""Programs of the author's own: what they are given, what of their output means something, what is expected of them."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.plan.model import Plan
from localpair_lab.report.failure import failure_report
from localpair_lab.run import process
from localpair_lab.visible_text import printable

from lab_fake import TWO_DEVICES, FakeEngine, FakeRunning, played

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CellOf

LISTEN = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.bind(("127.0.0.1", 0))
    print("listening on", one.getsockname()[1])
    print("asked:", sys.stdin.readline().strip(), file=sys.stderr)
open("said", "w").write(open("word").read())
"""
FILES = f"files: [{{name: listen.py, text: {json.dumps(LISTEN)}}}, {{name: word, text: hello}}]"
GOOD = """
actions:
  - do: run
    id: listen
    on: alice
    command: [sh, -c, "cd @state && exec python3 listen.py"]
    FILES
    stdin: who is there?
    ready: "listening on {port}"
    events: {asked: "asked: {word} is"}
  - {do: run, id: later, on: bob, at: listen.asked, command: [echo, '{"event": "found", "n": 3}'], events: json}
expect:
  - of: listen
    outcome: done
    within: 10s
    stdout: listening
    not_stdout: Traceback
    stderr: "asked: who"
    not_stderr: Error
    event: [{name: asked, fields: {word: who}}, {name: ready, times: {least: 1, most: 1}}]
    file: [{path: said, same_as: alice/word}, {path: said, sha256: SHA}]
  - {of: later, exit: 0, event: {name: found, fields: {n: "3"}}}
""".replace("FILES", FILES).replace("SHA", hashlib.sha256(b"hello").hexdigest())


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missed bound is the program's fault here, however busy the machine."""
    monkeypatch.setattr("localpair_lab.run.player.Pressure", lambda: SimpleNamespace(share=lambda: 0.0))


def told(outcome: Outcome) -> str:
    return "\n".join(str(failure) for failure in outcome.failures) + outcome.reason


def test_a_program_is_given_what_it_needs_and_says_what_is_expected(cell_of: CellOf, tmp_path: Path) -> None:
    outcome = played(cell_of(TWO_DEVICES + GOOD), FakeEngine(), tmp_path, keep=True)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    timeline = (tmp_path / "artifacts" / "timeline.txt").read_text()
    assert timeline.index("asked: who is there?") < timeline.index("starts on bob: echo")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "stdout: listening",
            "stdout: hearing",
            "should write `hearing` to stdout; instead: its only line does not",
        ),
        ("not_stdout: Traceback", "not_stdout: on", "should not write `on` to stdout; instead: it did after"),
        ('stderr: "asked: who"', "stderr: nothing", "should write `nothing` to stderr"),
        ("not_stderr: Error", "not_stderr: asked", "should not write `asked` to stderr"),
        ("fields: {word: who}", "fields: {word: you}", "should write asked {'word': 'you'}"),
        ("same_as: alice/word", "same_as: alice/listen.py", "should be the same as alice/listen.py"),
        ("same_as: alice/word", "same_as: alice/none", "instead: there is no file alice/none"),
        (
            "path: said, sha256",
            "path: heard, sha256",
            "should leave heard on alice; instead: there is no such",
        ),
        (hashlib.sha256(b"hello").hexdigest(), "0" * 64, "should have the SHA-256 000"),
        ("outcome: done", "outcome: paired", "should end paired; instead: done, exit 0"),
        ("within: 10s", "within: 10ms", "should say so within 0.01 s"),
        ("exit: 0", "exit: 4", "later on bob should exit with 4; instead: done, exit 0"),
    ],
)
def test_each_expectation_can_fail(
    cell_of: CellOf, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    assert right in GOOD
    outcome = played(cell_of(TWO_DEVICES + GOOD.replace(right, wrong)), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.FAILED
    assert len(outcome.failures) == 1, told(outcome)
    assert said in told(outcome)


def scene(command: str, rest: str = "") -> str:
    return (
        TWO_DEVICES
        + f"actions: [{{do: run, on: alice, command: {command}{rest}}}]\nexpect: [{{of: run, exit: 0}}]\n"
    )


def test_a_program_is_up_when_something_listens_on_its_port(cell_of: CellOf, tmp_path: Path) -> None:
    serve = "import socket; s = socket.create_server(('127.0.0.1', 46999)); s.accept()[0].sendall(b'x')"
    call = "import socket; print(socket.create_connection(('127.0.0.1', 46999)).recv(1))"
    text = f"""
actions:
  - {{do: run, id: serve, on: alice, command: [python3, -c, {json.dumps(serve)}], ready: {{port: 46999}}}}
  - {{do: run, id: call, on: bob, at: serve.ready, command: [python3, -c, {json.dumps(call)}]}}
expect:
  - {{of: [serve, call], exit: 0}}
  - {{of: call, stdout: "b'x'"}}
"""
    outcome = played(cell_of(TWO_DEVICES + text), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


def test_no_promise_of_localpairs_is_held_against_a_program(cell_of: CellOf, tmp_path: Path) -> None:
    text = scene("[sh, -c, 'echo Traceback \\(most recent call last\\):; echo not JSON']")
    outcome = played(cell_of(text), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


def test_a_program_that_floods_does_not_fill_the_lab(
    cell_of: CellOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_CHARACTERS", 1 << 10)
    outcome = played(cell_of(scene("[seq, '1', '9999']")), FakeEngine(), tmp_path, keep=True)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    assert len((tmp_path / "artifacts" / "run.log").read_text()) < 16 << 10
    assert "says more than" in (tmp_path / "artifacts" / "timeline.txt").read_text()


def test_lines_that_a_program_repeats_are_shown_once(cell_of: CellOf, tmp_path: Path) -> None:
    command = "[sh, -c, 'echo first; for n in 1 2 3 4 5 6 7 8 9; do echo again; done; echo last; exit 1']"
    cell = cell_of(scene(command))
    outcome = played(cell, FakeEngine(), tmp_path)
    told_lines = [line.partition("stdout: ")[2] for line in outcome.failures[0].evidence]
    assert told_lines == ["first", "again (9 times)", "last"]
    report = failure_report(cell, outcome, tmp_path)
    assert report.count("again (9 times)") == 2


def test_what_a_program_writes_moves_no_terminal(cell_of: CellOf, tmp_path: Path) -> None:
    text = scene("[printf, '\\033]0;mine\\007\\302\\233x\\n']").replace("exit: 0", "exit: 1")
    outcome = played(cell_of(text), FakeEngine(), tmp_path)
    evidence = "".join(outcome.failures[0].evidence)
    assert "\\x1b]0;mine\\x07\\x9bx" in evidence
    for path in (tmp_path / "artifacts").rglob("*.*"):
        if path.is_file() and path.suffix != ".json":
            assert not {"\x1b", "\x9b"} & set(path.read_text()), path


def test_packets_are_counted_where_they_come_in(cell_of: CellOf, tmp_path: Path) -> None:
    class Tapped(FakeEngine):
        async def up(self, plan: Plan, folder: Path) -> FakeRunning:
            (folder / "captures").mkdir()
            return await super().up(plan, folder)

    text = scene("[echo, x]").replace(
        "exit: 0", "heard: {protocol: udp, port: 5000-5002}, not_heard: {cast: multicast}"
    )
    outcome = played(cell_of(text), Tapped(), tmp_path)
    assert told(outcome) == (
        "alice should hear protocol udp, port 5000-5002; instead: 0 such packets came in"
    )


def test_a_text_with_nothing_to_escape_is_left_alone() -> None:
    assert printable("grüße\t日本") == "grüße\t日本"
