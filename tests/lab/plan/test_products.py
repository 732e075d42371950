"""Another program than localpair in its scenarios: what it is told, what is asked of it, and what it cannot do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest
import yaml
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Verdict
from localpair_lab.loading.cases import PlannedCell, all_cells, planned
from localpair_lab.loading.products import load_product, product_names
from localpair_lab.model.adapters import Adapter, MeetingPoint, Step, Value
from localpair_lab.plan.changes import When

import places
from lab_fake import TWO_DEVICES, FakeEngine, played

if TYPE_CHECKING:
    from pathlib import Path

    from localpair_lab.judge.verdict import Outcome

ADAPTER = """
adapter: 1
summary: A shell that pairs.
environment: {GREETING: hi}
files: [{name: greeting, text: hello}, beside]
steps:
  host:
    command: [sh, -c, "echo code: 7-$GREETING at {address}; read x < /dev/null; sleep 0.2; echo met {host_address}:1"]
    events: {offer: "code: {offer} at", paired: ["met {path.remote}", never]}
  join:
    command: [sh, -c, "echo joins with $0; exit 0", "{offer}", {timeout: [--timeout, "{timeout}"]}]
    events: {paired: "joins with {code}"}
expects: [outcome, path.remote]
ignores: flow
"""
PAIR = """
pair: {host: bob, join: alice}
expect:
  - {of: [host, join], outcome: paired, within: 1ms, exit: 3}
  - {of: host, path: {remote: 192.168.1.20, direction: out}}
"""


DIAGNOSE = "actions: [{do: host, on: bob}, {do: join, on: alice, offer: host}, {do: diagnose, on: bob}]"


def cell(folder: Path, text: str = TWO_DEVICES + PAIR, adapter: str = ADAPTER) -> PlannedCell:
    (folder / "mine.yaml").write_text(adapter)
    (folder / "beside").write_text("x")
    file = folder / "x.lan.yaml"
    file.write_text(f"lab: 1\nsummary: A test.\n{text}")
    load_product.cache_clear()
    return planned(file, load_product(str(folder / "mine.yaml")))[0]


def told(outcome: Outcome) -> str:
    return "\n".join(str(failure) for failure in outcome.failures) + outcome.reason


def test_a_pair_is_played_by_its_words(tmp_path: Path) -> None:
    one = cell(tmp_path)
    outcome = played(one, FakeEngine(), tmp_path, keep=True)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    assert one.left_out == ("exit", "within", "path.direction")
    timeline = (tmp_path / "artifacts" / "timeline.txt").read_text()
    assert "joins with 7-hi" in timeline
    assert (tmp_path / "artifacts" / "state" / "bob" / "beside").read_text() == "x"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("met {path.remote}", "meets {path.remote}", "host on bob should end paired; instead: done, exit 0"),
        ("{host_address}:1", "192.168.1.99:1", "the path of host should have remote 192.168.1.20"),
        ("exit 0", "exec sleep 30", ""),
        ('{paired: "joins with {code}"}', "{found: joins}", "join on alice should end paired"),
    ],
)
def test_what_it_does_not_do_is_told(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    adapter = ADAPTER.replace(right, wrong).replace("ignores", "patience: 1s\nignores")
    outcome = played(cell(tmp_path, adapter=adapter), FakeEngine(), tmp_path)
    if not said:  # it has paired, and its patience ends what does not end
        assert outcome.verdict is Verdict.PASSED, told(outcome)
        assert outcome.elapsed_s < 20
    else:
        assert said in told(outcome)


def test_a_peer_whose_address_is_none_is_on_no_network(tmp_path: Path) -> None:
    adapter = ADAPTER.replace("{host_address}:1", "somebody").replace("path.remote]", "path.network]")
    text = TWO_DEVICES + PAIR.replace("remote: 192.168.1.20", "network: lan")
    outcome = played(cell(tmp_path, text, adapter), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.FAILED
    assert "the path of host should have network lan" in told(outcome)


def test_an_attempt_that_never_ends_has_failed_and_is_no_fault_of_the_run(tmp_path: Path) -> None:
    adapter = (
        ADAPTER.replace("sleep 0.2", "exec sleep 30")
        .replace('"{offer}"', "x")
        .replace("; exit 0", "; exec sleep 9")
    )
    adapter = adapter.replace("joins with {code}", "none").replace("ignores", "patience: 500ms\nignores")
    text = TWO_DEVICES + "pair: {host: bob, join: alice}\nexpect: [{of: [host, join], outcome: failed}]\n"
    outcome = played(cell(tmp_path, text, adapter), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("join: alice}", "join: alice, offer_addresses: none}", "no place for `offer_addresses` in its `host`"),
        ("join: alice}", "join: alice, flow: post}", ""),
        ("join: alice}", "join: alice, answer: true}", "mine takes no answer code"),
        ("join: alice}", "join: alice, send: {name: a, size: 1kB}}", "has no place for `send`"),
        ("join: alice}", "join: alice, join_at: host.progress}", "mine does not tell `host.progress`"),
        ("pair: {host: bob, join: alice}", DIAGNOSE, "mine has no `diagnose`"),
    ],
)  # fmt: skip
def test_what_it_has_no_words_for_is_unsupported(tmp_path: Path, old: str, new: str, told: str) -> None:
    one = cell(tmp_path, TWO_DEVICES + PAIR.replace(old, new))
    assert told in "; ".join(one.plan.unplayable)
    assert bool(one.plan.unplayable) is bool(told)
    if told:
        outcome = played(one, FakeEngine(), tmp_path)
        assert (outcome.verdict, outcome.reason) == (Verdict.UNSUPPORTED, "; ".join(one.plan.unplayable))


def test_nothing_that_it_can_tell_is_unsupported(tmp_path: Path) -> None:
    text = TWO_DEVICES + "pair: {host: bob, join: alice}\nexpect: [{of: host, stage: 1, exit: 0}]\n"
    (reason,) = cell(tmp_path, text).plan.unplayable
    assert reason == "nothing is expected that mine could tell: exit, stage"


def test_without_a_code_a_joiner_waits_for_the_host_itself(tmp_path: Path) -> None:
    adapter = ADAPTER.replace('offer: "code: {offer} at", ', "").replace('"{offer}", ', "")
    assert cell(tmp_path, adapter=adapter).plan.actions[1].when == When("host.started")
    adapter = adapter.replace("    events: {paired: [", "    ready: {port: 7}\n    events: {paired: [")
    assert cell(tmp_path, adapter=adapter).plan.actions[1].when == When("host.ready")


def test_a_server_that_both_need_stands_first(tmp_path: Path) -> None:
    adapter = ADAPTER + "meeting: {command: [sh, -c, 'echo up; exec sleep 60'], ready: up}\n"
    one = cell(tmp_path, adapter=adapter)
    assert [(action.id, action.node, action.when) for action in one.plan.actions] == [
        ("meeting", "bob", When()),
        ("host", "bob", When("meeting.ready")),
        ("join", "alice", When("host.offer")),
    ]
    outcome = played(one, FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


def test_one_that_runs_for_ever_ends_once_it_is_paired(tmp_path: Path) -> None:
    adapter = ADAPTER.replace("    events: {offer", "    ends: false\n    events: {offer").replace(
        ':1"]', ':1; exec sleep 30"]'
    )
    outcome = played(cell(tmp_path, adapter=adapter), FakeEngine(), tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)
    assert outcome.elapsed_s < 15


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("adapter: 1", "adapter: 2", "adapter: Input should be '1'"),
        ('command: [sh, -c, "echo joins', 'comand: [sh, -c, "echo joins', "steps.join"),
        ("expects: [outcome,", "expects: [outcom,", "there is no expectation 'outcom'"),
        ("files: [", "files: [elsewhere, ", "there is no elsewhere beside it"),
        ("met {path.remote}", "{path.remote}", "fits any line"),
        ("summary: A", "summary: [A", "is no YAML"),
    ],
)
def test_mistakes_in_an_adapter_are_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(LabError) as caught:
        cell(tmp_path, adapter=ADAPTER.replace(old, new))
    assert "mine.yaml" in caught.value.message
    assert told in caught.value.message


def test_an_adapter_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(LabError) as caught:
        load_product("magic-wormole")
    assert caught.value.hint == "did you mean magic-wormhole?"


def test_the_reference_tells_every_key_and_value() -> None:
    text = (places.ROOT / "docs" / "lab.md").read_text()
    part = text[text.index("## Other programs in the library's networks") :]
    part = part[: part.index("\n## ", 4)]
    keys = {*Adapter.model_fields, *Step.model_fields, *MeetingPoint.model_fields, *get_args(Value)}
    assert [key for key in sorted(keys) if f"`{key}" not in part and f"{{{key}" not in part] == []
    (example,) = re.findall(r"```yaml\n(.*?)```", part, flags=re.S)
    content = yaml.load(example, Loader=yaml.BaseLoader)  # noqa: S506 - text and no objects
    assert Adapter.model_validate(content).steps


def test_localpair_has_words_for_all_of_its_scenarios() -> None:
    for one in all_cells():
        assert one.plan.unplayable == one.left_out == (), one.title


@pytest.mark.parametrize("name", product_names())
def test_every_adapter_of_the_library_plans_a_plain_pair(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.lan.yaml"
    file.write_text(f"lab: 1\nsummary: A test.\n{TWO_DEVICES}{PAIR}")
    (one,) = planned(file, load_product(name))
    assert one.plan.unplayable == ()
    assert {action.verb for action in one.plan.actions} >= {"host", "join"}
