"""Generated faults: what is put in keeps two devices apart that would pair, and what is said of it is graded justly."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pytest
from localpair_lab.cli import faults as command
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.faults import table
from localpair_lab.faults.drawing import FaultSample, draw
from localpair_lab.faults.fault import HOST, JOIN, MERGED, InjectedFault, Truth
from localpair_lab.faults.grading import MORE, Grade, Statement, ViewVerdict, grade
from localpair_lab.faults.plays import PlayedFault
from localpair_lab.generate.expected import expected
from localpair_lab.generate.sample import planned_text
from localpair_lab.oracle.packet import Delivery

CABLE = InjectedFault(
    "no-carrier",
    (Truth("no-carrier", ("bob",)), Truth("peer-absent", outside=True)),
    frozenset({MERGED, HOST}),
)
APART = InjectedFault("client-isolation", (Truth("client-isolation"),), frozenset({MERGED}))
FIREWALL = InjectedFault("firewall-inbound (one)", (Truth("firewall-inbound", ("alice",)),))


def said(*causes: str, at: str = "", notes: tuple[str, ...] = ()) -> ViewVerdict:
    return ViewVerdict((Statement(causes, at, "likely"),) if causes else (), notes)


# --- What is drawn ---


def test_with_a_fault_the_oracle_is_not_sure_of_a_pair() -> None:
    for number in range(12):
        sample = draw(1, number, 1)
        answer = expected(planned_text(sample.name, sample.text).plan).answer
        blind = {"host-ended", "cloned-identity", "mtu-black-hole"}
        assert answer is not Delivery.YES or {one.name for one in sample.causing} <= blind, sample.title


def test_two_numbers_make_one_sample() -> None:
    assert draw(3, 5, 2).text == draw(3, 5, 2).text != draw(3, 6, 2).text


def test_two_faults_are_two_and_at_least_one_of_them_keeps_the_devices_apart() -> None:
    for number in range(4):
        sample = draw(2, number, 2)
        assert len((*sample.causing, *sample.others)) == 2
        assert sample.causing


def test_many_faults_are_drawn() -> None:
    assert len({draw(4, number, 1).title for number in range(40)}) >= 10


# --- What is said ---


@pytest.mark.parametrize(
    ("verdict", "view", "is_what"),
    [
        (said("no-carrier", at="bob"), MERGED, Grade.RIGHT),
        (said("no-carrier", at="alice"), MERGED, Grade.WRONG),
        (said("no-carrier", "interface-down", at="bob"), HOST, Grade.VAGUE),
        (said("peer-absent", "client-isolation"), JOIN, Grade.VAGUE),
        (said("peer-absent"), MERGED, Grade.WRONG),
        (said("client-isolation", "different-networks"), JOIN, Grade.WRONG),
        (said(), MERGED, Grade.NONE),
    ],
)
def test_a_verdict_on_one_fault(verdict: ViewVerdict, view: str, is_what: Grade) -> None:
    assert grade(verdict, view, [CABLE]) is is_what


@pytest.mark.parametrize(
    ("verdict", "is_what"),
    [
        (said("no-carrier", at="bob", notes=(MORE,)), Grade.RIGHT),
        (said("no-carrier", at="bob"), Grade.VAGUE),
        (ViewVerdict((*said("no-carrier", at="bob").statements, *said("client-isolation").statements)), Grade.RIGHT),
        (ViewVerdict((*said("no-carrier", at="bob").statements, *said("proxy-arp").statements)), Grade.WRONG),
    ],
    ids=["the first, and that more may follow", "the first", "both", "one that is not there"],
)  # fmt: skip
def test_a_verdict_on_two_faults(verdict: ViewVerdict, is_what: Grade) -> None:
    assert grade(verdict, MERGED, [CABLE, APART]) is is_what


def test_a_fault_that_alone_changes_nothing_may_be_named_and_does_not_suffice() -> None:
    both = ViewVerdict(
        (*said("no-carrier", at="bob").statements, *said("firewall-inbound", at="alice").statements)
    )
    assert grade(both, MERGED, [CABLE], [FIREWALL]) is Grade.RIGHT
    assert grade(said("firewall-inbound", at="alice"), MERGED, [CABLE], [FIREWALL]) is Grade.WRONG


# --- What it comes to ---


def played(number: int, merged: ViewVerdict, *, paired: bool = False) -> PlayedFault:
    document = {"pair": {"host": "bob", "join": "alice"}}
    sample = FaultSample(f"seed-1-{number}", document, (CABLE,), (), must_fail=True)
    return PlayedFault(number, sample, {MERGED: merged}, paired)


def test_one_of_a_hundred_may_be_wrong_and_one_that_can_be_decided_may_be_vague() -> None:
    right, vague = said("no-carrier", at="bob"), said("no-carrier", "interface-down")
    wrong = said("client-isolation")
    good = [played(number, right) for number in range(99)]
    assert table.is_good([*good, played(99, vague)])
    assert table.is_good([*good, played(99, wrong)])
    assert not table.is_good([*good[1:], played(98, vague), played(99, vague)])
    assert not table.is_good([*good[1:], played(98, wrong), played(99, wrong)])


def test_beside_a_pair_no_cause_is_right() -> None:
    assert played(1, said(), paired=True).misses == ()
    assert played(1, said("no-carrier", at="bob"), paired=True).misses == (MERGED,)


def test_the_table_counts_each_fault_and_all() -> None:
    rows = [played(1, said("no-carrier", at="bob")), played(2, said())]
    lines = Counter(line.split()[0] for line in table.table(rows) if line.strip())
    assert lines["no-carrier"] == lines["all"] == 1
    assert any("right 1 of 2 (50.0 %)" in line for line in table.totals(rows))


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(any(namespaces().values()), reason="network namespaces cannot play everything here")
def test_the_command_tells_what_was_missed_and_how_to_play_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = next(number for number in range(40) if draw(5, number, 1).title == "egress-filter")
    options = argparse.Namespace(
        seed=5, faults=1, timeout="6s", only=[number], first=0, count=1, jobs=1, write=False, out=tmp_path
    )
    assert command.generate_faults(options) == 0
    assert "right 1 of 1" in capsys.readouterr().out
    monkeypatch.setattr(table, "LEAST_RIGHT", 2.0)
    assert command.generate_faults(options) == 1
