"""Facts as JSON and back: nothing is lost, and whatever was made up gives one clear error or a harmless record."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address
from json import JSONDecodeError
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cause_cases import CASES, Case
from localpair.causes.facts import AddressFacts, CounterFacts, RunFacts
from localpair.causes.judge import judge
from localpair.causes.records.codec import FactsError, from_dict, to_dict
from localpair.limits import FACTS_ROWS
from run_facts import joiner

WORDS = st.sampled_from(["", "EPERM", "ETIMEDOUT", "failed", "version"])


def values(kind: Any, name: str) -> st.SearchStrategy[Any]:
    """Anything that the type of a field allows."""
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0], name), max_size=3).map(tuple)
    inner = [one for one in get_args(kind) if one is not NoneType]
    if IPv4Address in inner:
        found: st.SearchStrategy[Any] = st.ip_addresses(v=4) | st.ip_addresses(v=6, network="fd00::/8")
        return found | st.none() if NoneType in get_args(kind) else found
    if NoneType in get_args(kind):
        return values(inner[0], name) | st.none()
    if is_dataclass(kind):
        return records(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.just(1) if name == "format" else st.integers(0, 32)
    return st.just("02:00:00:00:00:0a") if name == "mac" else st.just("eth0") if name == "name" else WORDS


def to_json(facts: RunFacts) -> str:
    return json.dumps(to_dict(facts))


def from_json(text: str) -> RunFacts:
    return from_dict(json.loads(text))


def records(cls: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{one.name: values(hints[one.name], one.name) for one in fields(cls)})


@given(records(RunFacts))
def test_facts_come_back_as_they_were(facts: RunFacts) -> None:
    assert from_json(to_json(facts)) == facts


@given(records(RunFacts), st.none() | records(RunFacts))
def test_no_facts_break_a_rule(mine: RunFacts, theirs: RunFacts | None) -> None:
    """However contradictory: a verdict comes of it."""
    for one in judge(mine, theirs).explanations:
        assert one.sentence
        assert one.hint


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_known_failure_can_be_written_down(case: Case) -> None:
    assert from_json(to_json(case.mine)) == case.mine


def test_what_is_unknown_stays_apart_from_what_is_not_there() -> None:
    plain = to_dict(RunFacts(role=joiner().role, calls=()))
    assert plain["calls"] == []
    assert "attempts" not in plain
    assert from_dict(plain).attempts is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert from_dict({**to_dict(joiner()), "weather": ["rain"]}) == joiner()


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        "7",
        '"facts"',
        "{}",
        '{"role":"king"}',
        '{"role":7}',
        '{"role":"join","lasted_s":-1}',
        '{"role":"join","lasted_s":1.5}',
        '{"role":"join","lasted_s":NaN}',
        '{"role":"join","lasted_s":true}',
        '{"role":"join","lasted_s":1' + "0" * 50 + "}",
        '{"role":"join","bridge_filter":"yes"}',
        '{"role":"join","links":{}}',
        '{"role":"join","links":[7]}',
        '{"role":"join","links":[{"index":1}]}',
        '{"role":"join","links":[{"index":1,"name":"\\u001b[2J"}]}',
        '{"role":"join","links":[{"index":1,"name":"\\u202eeth0"}]}',
        '{"role":"join","links":[{"index":1,"name":"' + "e" * 65 + '"}]}',
        '{"role":"join","links":[{"index":1,"name":"e","mac":"rm -rf"}]}',
        '{"role":"join","links":[{"index":1,"name":"e","addresses":[{"address":"10.0.0.1","prefix":99}]}]}',
        '{"role":"join","sent":[{"carrier":"unicast","index":1,"version":4,"errno":"a b"}]}',
        '{"role":"join","self_calls":[{"address":"host.example","confirmed":true}]}',
        '{"role":"join","self_calls":[{"address":"fe80::1%eth0","confirmed":true}]}',
        '{"role":"join","format":2}',
    ],
)
def test_whatever_is_no_facts_is_one_error(text: str) -> None:
    with pytest.raises(FactsError):
        from_json(text)


def test_a_table_without_end_is_refused() -> None:
    row = {"reason": "busy", "by": "theirs"}
    with pytest.raises(FactsError, match="more than"):
        from_dict({"role": "join", "refusals": [row] * (FACTS_ROWS + 1)})


@given(st.sampled_from(CASES), st.data())
def test_no_change_of_a_letter_gives_anything_but_facts_or_that_error(
    case: Case, data: st.DataObject
) -> None:
    text = to_json(case.mine)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    found = None
    with suppress(FactsError, JSONDecodeError):
        found = from_json(changed)
    if found is not None:
        judge(found)


def test_the_error_names_the_field_and_repeats_nothing_of_it() -> None:
    with pytest.raises(FactsError) as caught:
        from_dict({"role": "join", "links": [{"index": 1, "name": "secret\x1b[31m"}]})
    assert caught.value.message == "facts.links[0].name is not a name"


def test_a_record_that_cannot_be_is_not_made() -> None:
    with pytest.raises(ValueError, match="prefix"):
        AddressFacts(IPv4Address("10.0.0.1"), 33)


def test_full_tables_have_room() -> None:
    counters = tuple(CounterFacts(4, 10**12, 10**12, 10**12, 10**12) for _ in range(FACTS_ROWS))
    assert from_json(to_json(joiner(counters=counters))).counters == counters
