"""Causes and notes that a scenario expects: what counts as named, as elsewhere, and as one too many."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
from localpair_lab.judge.causes import causes_beside_a_pair, check_causes, merged
from localpair_lab.model.expectations import Expect
from localpair_lab.model.words.causes import CauseName, NoteName
from localpair_lab.timeline import ActionRecord, SeenEvent

from localpair.causes.records.codec import to_dict
from localpair.causes.vocabulary import Cause, RunNote
from localpair.cli import main
from run_facts import dropping_host, stuck_joiner

HERE = ("expect", 0)


def named(*causes: str, confidence: str = "likely") -> dict[str, Any]:
    return {"causes": list(causes), "confidence": confidence, "text": "so it is", "evidence": ["seen"]}


def action(*told: dict[str, Any], notes: tuple[str, ...] = (), paired: bool = False) -> ActionRecord:
    fields = {"causes": list(told), "notes": [{"note": note} for note in notes]}
    seen = [SeenEvent(1.0, "verdict", fields)] if told or notes else []
    return ActionRecord("join", "alice", "join", seen=[*seen, *([SeenEvent(2.0, "paired", {})] * paired)])


def failed(expected: dict[str, Any], ran: ActionRecord) -> list[str]:
    expect = Expect.model_validate({"of": ["join"], **expected})
    return [str(failure.where[-1]) for failure in check_causes(expect, ran, HERE)]


def test_the_names_are_those_of_the_package() -> None:
    assert set(get_args(CauseName)) == {cause.value for cause in Cause}
    assert set(get_args(NoteName)) == {note.value for note in RunNote}


@pytest.mark.parametrize(
    ("told", "fails"),
    [
        ([named("no-carrier")], []),
        ([named("peer-absent", "no-carrier")], []),
        ([named("no-carrier"), named("lossy-path")], ["cause"]),
        ([named("peer-absent", "client-isolation")], ["cause"]),
        ([], ["cause"]),
    ],
    ids=["named", "as one of two", "and another one beside it", "others", "none"],
)
def test_every_explanation_has_to_name_one_of_the_causes(
    told: list[dict[str, Any]], fails: list[str]
) -> None:
    assert failed({"cause": ["no-carrier"]}, action(*told)) == fails


def test_a_failure_says_what_came_instead() -> None:
    expect = Expect.model_validate({"of": ["join"], "cause": ["no-carrier"], "note": ["lossy"]})
    cause, note = check_causes(expect, action(named("peer-absent", "proxy-arp"), notes=("proxied",)), HERE)
    assert cause.came == "likely peer-absent or proxy-arp: so it is"
    assert cause.evidence == ("join: seen",)
    assert note.came == "its notes are proxied"
    cause, note = check_causes(expect, action(), HERE)
    assert (cause.came, note.came) == ("it names no cause", "it has no note")


def test_several_may_be_right() -> None:
    assert (
        failed({"cause": ["no-carrier", "lossy-path"]}, action(named("no-carrier"), named("lossy-path")))
        == []
    )


def test_what_is_forbidden_may_not_stand_among_others() -> None:
    ran = action(named("peer-absent", "client-isolation"))
    assert failed({"not_cause": ["client-isolation"]}, ran) == ["not_cause"]
    assert failed({"not_cause": ["any"]}, ran) == ["not_cause"]
    assert failed({"not_cause": ["no-carrier"]}, ran) == []
    assert failed({"not_cause": ["any"]}, action()) == []


def test_confidence_is_that_of_the_first() -> None:
    sure = named("no-carrier", confidence="certain")
    assert failed({"confidence": "certain"}, action(sure)) == []
    assert failed({"confidence": "certain"}, action(named("no-carrier"), sure)) == ["confidence"]
    assert failed({"confidence": "certain"}, action()) == ["confidence"]


def test_notes() -> None:
    ran = action(notes=("lossy", "translated"))
    assert failed({"note": ["lossy"], "not_note": ["proxied"]}, ran) == []
    assert failed({"note": ["proxied"], "not_note": ["lossy", "any"]}, ran) == [
        "note",
        "not_note",
        "not_note",
    ]


def test_a_cause_beside_a_pair_fails_any_run() -> None:
    assert list(causes_beside_a_pair(action(named("no-carrier")), HERE)) == []
    assert list(causes_beside_a_pair(action(notes=("lossy",), paired=True), HERE)) == []
    assert len(list(causes_beside_a_pair(action(named("no-carrier"), paired=True), HERE))) == 1


# --- Both sides' reports ---

MINE, THEIRS = to_dict(dropping_host()), to_dict(stuck_joiner())


def test_what_two_reports_come_to_is_what_the_command_says_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "mine.json", tmp_path / "theirs.json"]
    for file, facts in zip(files, (MINE, THEIRS), strict=True):
        file.write_text(json.dumps({"facts": facts}), encoding="utf-8")
    main(["diagnose", "--json", "--merge", *map(str, files)])
    verdict = json.loads(capsys.readouterr().out.splitlines()[0])
    (told,) = merged(MINE, THEIRS)
    (shown,) = verdict["causes"]
    assert (list(told.causes), told.confidence, told.text) == (
        shown["causes"],
        shown["confidence"],
        shown["text"],
    )
    assert list(told.evidence) == shown["evidence"]


def test_merging_starts_no_process_beside_the_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refused)
    assert merged(MINE, THEIRS)[0].causes == ("firewall-inbound",)
