"""``localpair diagnose --merge``: two reports in any form, one verdict; and what a hostile one can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_fakes import Api
from localpair.causes.facts import Ending
from localpair.causes.records.codec import to_dict
from localpair.causes.records.report_code import code_of
from localpair.cli.options.diagnose import Diagnose
from localpair.cli.run import execute
from run_facts import dropping_host, host, joiner, link, silent_joiner, stuck_joiner

MINE, THEIRS = code_of(dropping_host()), code_of(stuck_joiner())


def merge(*reports: str, json: bool = False) -> Diagnose:
    return Diagnose(1.0, merge=reports, json=json)


def event(out: str) -> dict[str, Any]:
    verdict, done = map(json.loads, out.splitlines())
    assert done["event"] == "done"
    return {**verdict, "exit_code": done["exit_code"]}


def test_two_codes_make_one_verdict(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(merge(MINE, THEIRS), api) == 6
    shown = capsys.readouterr()
    assert "cause: a firewall on this device keeps out TCP and UDP ports 46820 to 46829" in shown.out
    assert "what is said of the other device is what it reported itself" in shown.out
    assert "hint: run `sudo ufw allow 46820:46829/tcp`" in shown.out
    assert api.diagnosed == 0


def test_it_is_the_same_from_the_other_side(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(merge(THEIRS, MINE), api) == 6
    out = capsys.readouterr().out
    assert "cause: a firewall on the other device" in out
    assert "ufw" not in out, "no command is made of what another device says"


def test_events_have_the_fields_of_a_verdict(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(merge(MINE, THEIRS, json=True), api) == 6
    found = event(capsys.readouterr().out)
    assert (found["verdict"], found["exit_code"]) == ("explained", 6)
    assert [one["causes"] for one in found["causes"]] == [["firewall-inbound"]]
    assert found["facts"]["role"] == "host"
    assert found["claimed"]["role"] == "join"


def test_facts_that_do_not_tell_are_said_to_and_cost_no_exit_code(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    paired = [code_of(replace(one, ending=Ending.PAIRED)) for one in (joiner(), host())]
    assert execute(merge(*paired), api) == 0
    assert "do not tell" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["report", "events", "record", "code"])
def test_files_in_every_form_are_read(
    api: Api, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str
) -> None:
    facts = to_dict(dropping_host())
    text = {
        "report": json.dumps({"format": 1, "tool": "localpair", "run": facts}, indent=2),
        "events": "\n".join(
            ['{"event": "ready"}', json.dumps({"event": "verdict", "facts": facts}), '{"event": "failed"}']
        ),
        "record": json.dumps({"facts": facts}),
        "code": f"Here is my code: {MINE}\n",
    }[form]
    file = tmp_path / "report"
    file.write_text(text)
    assert execute(merge(str(file), THEIRS), api) == 6
    assert "cause: a firewall on this device" in capsys.readouterr().out


def test_both_come_from_standard_input(
    api: Api, capsys: pytest.CaptureFixture[str], piped: Callable[[bytes], None]
) -> None:
    piped(f"mine: {MINE}\nand theirs\n{THEIRS}\n".encode())
    assert execute(merge(), api) == 6
    assert "cause: a firewall on this device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "LR: is missing"),
        ("x" * 2_000_000, "more than"),
        ('{"facts": {"role": "king"}}', "one of 5 known words"),
        ('{"facts": {"role": "host", "links": [{"index": 1, "name": "\\u001b[2Jeth0"}]}}', "is not a name"),
        ('{"facts": {"role": "host", "lasted_s": -1}}', "whole number"),
        ("[" * 100_000 + '"facts"', "LR: is missing|too long"),
        ("LR:AAAA\x1b[2J", "damaged"),
    ],
)
def test_a_broken_or_hostile_report_is_one_clear_error(
    api: Api, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "report"
    file.write_text(text)
    assert execute(merge(str(file), THEIRS), api) == 2
    said = capsys.readouterr().err
    assert re.search(message, said.replace("\n", " "))
    assert said.count("error:") == 1
    assert "\x1b" not in said
    assert "Traceback" not in said


def test_a_file_that_is_not_there_is_named_harmlessly(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(merge("/nowhere/\x1b[2Jx", THEIRS), api) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_lying_report_opens_no_other_port(
    api: Api, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also where it is given for this device's own."""
    liar = replace(dropping_host(), tcp_port=3389)
    file = tmp_path / "liar"
    file.write_text(json.dumps({"facts": to_dict(liar)}))
    for reports in ((str(file), THEIRS), (code_of(liar), THEIRS), (THEIRS, code_of(liar))):
        assert execute(merge(*reports), api) == 6
        out = capsys.readouterr().out
        assert "46820" in out
        assert "3389" not in out


def test_a_report_of_an_unknown_network_is_judged_all_the_same(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = host(links=(link("192.168.77.20", "02:00:00:00:00:14", router=None),))
    assert execute(merge(code_of(silent_joiner()), code_of(apart)), api) == 6
    assert "most likely either" in capsys.readouterr().out


def test_a_report_that_says_that_a_pair_stands_hides_no_cause(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    liar = code_of(replace(stuck_joiner(), ending=Ending.PAIRED))
    assert execute(merge(MINE, liar), api) == 6
    assert "firewall" in capsys.readouterr().out
    assert execute(merge(code_of(replace(dropping_host(), ending=Ending.PAIRED)), THEIRS), api) == 0
