"""From facts to a scenario: what is known is in it, what is not is a matrix, and it is short."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from localpair_lab.cli import main
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.oracle.consistency import disagreements

from cause_cases import CASES, Case
from localpair.causes.facts import Ending, NeighbourState, RunFacts, RunRole
from localpair.causes.records.codec import to_dict
from localpair.causes.records.report_code import code_of
from run_facts import ALICE, BOB, dial, host, joiner, route, silent_joiner

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 42  # lines of a scenario that somebody is to read
SILENT = route(BOB, NeighbourState.SILENT)


def built(tmp_path: Path, *reports: str) -> list[PlannedCell]:
    """The cells of the scenario that the command makes of these reports."""
    path = tmp_path / "rebuilt.yaml"
    assert main.main(["from-report", *reports, "-o", str(path)]) == 0
    return planned(path)


def report(tmp_path: Path, facts: RunFacts, claimed: RunFacts | None = None) -> str:
    """The events of a run that ended with these facts, as a file."""
    path = tmp_path / f"{facts.role}.json"
    told = None if claimed is None else to_dict(claimed)
    event = {"event": "verdict", "facts": to_dict(facts), "claimed": told}
    path.write_text(json.dumps({"event": "attempt"}) + "\n" + json.dumps(event) + "\n")
    return str(path)


def text_of(tmp_path: Path) -> str:
    return (tmp_path / "rebuilt.yaml").read_text()


ONE_OF_EACH = {case.cause: case for case in CASES}.values()


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_the_facts_of_every_cause_make_a_short_scenario_that_can_come_true(
    case: Case, tmp_path: Path
) -> None:
    facts = [case.mine, *([case.theirs] if case.theirs is not None else [])]
    if len({one.role in (RunRole.HOST, RunRole.LISTEN) for one in facts}) < len(facts):
        pytest.skip("both did the same")
    cells = built(tmp_path, *(report(tmp_path, one) for one in facts))
    assert len(text_of(tmp_path).splitlines()) <= LONGEST
    assert [list(disagreements(cell.scenario, cell.plan)) for cell in cells] == [[] for _ in cells]


def test_two_reports_that_are_sure_make_one_cell_with_the_fault_between(tmp_path: Path) -> None:
    reports = (
        report(tmp_path, silent_joiner(ending=Ending.TIMEOUT)),
        report(tmp_path, host(ending=Ending.TIMEOUT)),
    )
    (cell,) = built(tmp_path, *reports)
    assert cell.scenario.networks["lan"].isolation == "clients"
    assert [one.all_interfaces()[0].ip for one in cell.scenario.devices.values()] == [(ALICE,), (BOB,)]
    assert {expect.exit for expect in cell.scenario.expect} == {(3,)}


def test_what_one_report_cannot_know_is_a_matrix_and_listed_in_a_comment(tmp_path: Path) -> None:
    cells = built(tmp_path, report(tmp_path, silent_joiner(ending=Ending.TIMEOUT)))
    assert [cell.cell.name for cell in cells] == ["peer-absent", "client-isolation", "different-networks"]
    comments = [line for line in text_of(tmp_path).splitlines() if line.startswith("#")]
    assert any("Twins" in line for line in comments)
    assert any("bob" in line and "guessed" in line for line in comments)
    (expect,) = cells[0].scenario.expect
    assert (expect.of, expect.cause) == (("join",), ("peer-absent",))
    assert "The oracle knows a way" not in text_of(tmp_path)


def test_a_report_code_gives_the_same_network_as_the_file(tmp_path: Path) -> None:
    facts = silent_joiner(ending=Ending.TIMEOUT)
    (first, *_) = built(tmp_path, report(tmp_path, facts))
    (second, *_) = built(tmp_path, code_of(facts))
    assert first.scenario.devices == second.scenario.devices
    assert first.scenario.networks == second.scenario.networks


def test_what_one_device_was_told_of_the_other_counts_as_its_report(tmp_path: Path) -> None:
    (cell,) = built(tmp_path, report(tmp_path, silent_joiner(ending=Ending.TIMEOUT), host()))
    assert cell.scenario.networks["lan"].isolation == "clients"
    assert [expect.of for expect in cell.scenario.expect] == [("join",)], (
        "nothing is known of how bob's run ended"
    )


def test_a_cable_that_is_out_and_a_name_of_a_card_are_as_reported(tmp_path: Path) -> None:
    facts = joiner(ending=Ending.TIMEOUT, routes=(SILENT,), attempts=(dial(BOB),))
    links = tuple(
        replace(one, name="enp3s0", carrier=False) if one.index == 2 else one for one in facts.links or ()
    )
    (cell,) = built(tmp_path, report(tmp_path, replace(facts, links=links)))
    (card,) = cell.scenario.devices["alice"].all_interfaces()
    assert (card.name, card.carrier) == ("enp3s0", False)


def test_a_name_that_no_kernel_carries_is_replaced(tmp_path: Path) -> None:
    facts = silent_joiner(ending=Ending.TIMEOUT)
    links = tuple(
        replace(one, name="Wi-Fi 2, ours: {") if one.index == 2 else one for one in facts.links or ()
    )
    cells = built(tmp_path, report(tmp_path, replace(facts, links=links)))
    assert "Wi-Fi" not in text_of(tmp_path)
    assert [card.name for card in cells[0].scenario.devices["alice"].all_interfaces()] == [None]


def test_a_taken_port_and_refused_sends_are_in_the_scenario(tmp_path: Path) -> None:
    case = next(one for one in CASES if "EPERM" in {row.errno for row in one.mine.sent or ()})
    (cell, *_) = built(tmp_path, report(tmp_path, replace(case.mine, ending=Ending.TIMEOUT)))
    chains = [one.firewall.outward for one in cell.scenario.devices.values() if one.firewall.outward]
    assert chains, "the host refused to send, and nothing in the scenario does"


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        (("LR:NOTHING",), "damaged"),
        (("no-such-file.json",), "cannot be read"),
        (("a", "b", "c"), "more than two"),
    ],
)
def test_what_is_no_report_is_one_clear_error(
    reports: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rebuilt.yaml"
    assert main.main(["from-report", *reports, "-o", str(path)]) == 3
    assert said in capsys.readouterr().err
    assert not path.exists()


def test_two_hosts_never_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = code_of(host(ending=Ending.TIMEOUT))
    assert main.main(["from-report", word, word, "-o", str(tmp_path / "rebuilt.yaml")]) == 3
    assert "did the same" in capsys.readouterr().err


def test_addresses_in_a_report_never_become_another_key(tmp_path: Path) -> None:
    """An offer of a hundred odd addresses is still one readable device."""
    places = tuple(ip_address(f"10.{number}.0.9") for number in range(30))
    facts = silent_joiner(ending=Ending.TIMEOUT)
    assert facts.offer is not None
    facts = replace(facts, offer=replace(facts.offer, addresses=places))
    cells = built(tmp_path, report(tmp_path, facts))
    assert len(cells[0].scenario.devices["bob"].all_interfaces()) <= 5
