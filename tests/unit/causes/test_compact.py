"""Facts in a few bytes: what the other device needs comes back, within bounds, and whatever was made up is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
from cause_cases import CASES, Case
from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    AddressFacts,
    CallReach,
    CarrierName,
    DialTime,
    Ending,
    FirewallKind,
    ForeignKind,
    HostSystem,
    LinkFacts,
    NeighbourFacts,
    NeighbourState,
    RunFacts,
    RunRole,
    Transport,
    Whose,
)
from localpair.causes.judge import judge
from localpair.causes.records.codec import FactsError, from_dict, to_dict
from localpair.causes.records.compact import WORDS, decode, encode
from localpair.causes.records.packing import MASKED
from localpair.causes.records.report_code import code_of, parse
from localpair.causes.records.telling import masked, packed, told
from localpair.errors import Refusal
from localpair.events import Flaw, Phase
from localpair.limits import FACTS_COMPACT_BYTES, FACTS_NEIGHBOURS
from run_facts import ALICE, ALICE_MAC, BOB, BOB_MAC, ROUTER_MAC, host, joiner, stuck_joiner, voice

PARTIES = [(case.name, one) for case in CASES for one in (case.mine, case.theirs) if one is not None]


def said(mine: RunFacts, theirs: RunFacts | None) -> tuple[Any, ...]:
    """What a verdict comes to, without the names of interfaces."""
    verdict = judge(mine, theirs)
    told_of = [(one.causes, one.device, one.confidence) for one in verdict.explanations]
    return told_of, [(one.note, one.device) for one in verdict.notes]  # type: ignore[return-value]


@pytest.mark.parametrize(("name", "facts"), PARTIES)
def test_what_is_told_comes_back_as_it_was(name: str, facts: RunFacts) -> None:
    data = packed(facts, FACTS_COMPACT_BYTES)
    assert decode(data) == told(facts)
    assert len(data) < 200, f"{name} takes {len(data)} bytes"
    assert from_dict(to_dict(decode(data))) == decode(data), "and it is a record like all others"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_verdict_is_the_same_from_what_is_told(case: Case) -> None:
    """Whoever reads it, and whichever side's record is the one that was told."""
    whole = said(masked(case.mine), None if case.theirs is None else masked(case.theirs))
    assert said(told(case.mine), None if case.theirs is None else told(case.theirs)) == whole
    if case.theirs is not None:
        assert said(masked(case.mine), told(case.theirs)) == whole
        assert said(masked(case.theirs), told(case.mine)) == said(masked(case.theirs), masked(case.mine))


@pytest.mark.parametrize("case", [case for case in CASES if case.theirs], ids=str)
@pytest.mark.parametrize("limit", [40, 80, 110])
def test_with_less_room_a_verdict_is_vaguer_and_never_another_one(case: Case, limit: int) -> None:
    assert case.theirs is not None
    known = judge(masked(case.mine), masked(case.theirs))
    less = judge(masked(case.mine), decode(packed(case.theirs, limit)))
    alone = judge(masked(case.mine))
    for one in less.explanations:
        assert known.causes & set(one.causes) or set(one.causes) <= alone.causes


def test_room_is_made_by_unknown_tables() -> None:
    data = packed(host(), 60)
    assert len(data) <= 60
    assert decode(data).neighbours is None
    assert decode(data).role is RunRole.HOST
    assert decode(packed(host(), 5)).links is None


def test_no_name_and_no_hardware_address_is_told() -> None:
    facts = stuck_joiner(neighbours=(NeighbourFacts(ip_address(BOB), 2, NeighbourState.KNOWN, BOB_MAC),))
    data = packed(facts, FACTS_COMPACT_BYTES)
    text = str(to_dict(decode(data)))
    for mac in (ALICE_MAC, BOB_MAC, ROUTER_MAC):
        assert mac not in text
        assert bytes.fromhex(mac.replace(":", "")) not in data
    assert "eth0" not in text
    assert [one.name for one in decode(data).links or ()] == ["ethernet 2"]


def test_a_mask_of_a_mask_is_the_mask() -> None:
    once = masked(stuck_joiner())
    assert masked(once) == once
    assert once.links is not None
    assert all(one.mac is None or one.mac.startswith(MASKED) for one in once.links)


def neighbours(many: int) -> tuple[NeighbourFacts, ...]:
    rows = (
        NeighbourFacts(
            ip_address(f"192.168.77.{100 + at}"), 2, NeighbourState.KNOWN, f"02:00:00:00:01:{at:02x}"
        )
        for at in range(many)
    )
    return (*rows, NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC))


def test_of_the_neighbours_the_other_device_alone_is_told() -> None:
    heard = told(host(neighbours=neighbours(40), heard=(voice(ALICE),)))
    assert [one.address for one in heard.neighbours or ()] == [ip_address(ALICE)]


def test_of_a_few_neighbours_any_may_be_the_other_device_and_of_many_none_is_told() -> None:
    assert len(told(host(neighbours=neighbours(3))).neighbours or ()) == 4
    assert told(host(neighbours=neighbours(FACTS_NEIGHBOURS))).neighbours is None


def test_a_host_with_many_interfaces_fits() -> None:
    bridges = tuple(
        LinkFacts(
            10 + at, f"br-{at}", InterfaceKind.BRIDGE, gateways=(),
            addresses=(AddressFacts(ip_address(f"172.{17 + at}.0.1"), 16),),
        )
        for at in range(12)
    )  # fmt: skip
    veths = tuple(LinkFacts(100 + at, f"veth{at}", InterfaceKind.VETH) for at in range(40))
    facts = host(links=(*(host().links or ()), *bridges, *veths))
    data = packed(facts, FACTS_COMPACT_BYTES)
    assert decode(data) == told(facts)
    assert len(data) < 300


@given(st.binary(max_size=200))
def test_garbage_is_refused_with_one_error(data: bytes) -> None:
    try:
        facts = decode(data)
    except FactsError:
        return
    assert decode(encode(facts)) == facts


def test_every_cut_and_every_longer_text_is_refused() -> None:
    data = packed(stuck_joiner(), FACTS_COMPACT_BYTES)
    for end in range(len(data)):
        with pytest.raises(FactsError):
            decode(data[:end])
    with pytest.raises(FactsError):
        decode(data + b"\0")
    with pytest.raises(FactsError, match="more than"):
        decode(bytes(FACTS_COMPACT_BYTES + 1))
    with pytest.raises(FactsError, match="version 9") as refused:
        decode(b"\x09" + data[1:])
    assert refused.value.hint


def test_a_word_that_has_no_number_is_told_as_another() -> None:
    row = replace((stuck_joiner().attempts or ())[0], errno="ESTRANGE")
    assert [one.errno for one in told(joiner(attempts=(row,))).attempts or ()] == ["other"]
    assert "other" in WORDS


# --- The layout, as fixed values: PYTHONPATH=tests/support python tests/unit/causes/test_compact.py writes them anew.

VECTORS = places.VECTORS / "facts.json"
SHOWN = ("firewall, both", "isolated, both", "kill switch", "IPv4 meets IPv6", "counted losses", "claimed")


def vectors() -> dict[str, Any]:
    """The words with their numbers, and records as JSON, as bytes and as report codes."""
    lists = (
        RunRole, HostSystem, Ending, InterfaceKind, NeighbourState, Phase, Flaw, DialTime, CallReach, CarrierName,
        ForeignKind, Refusal, Whose, Transport, FirewallKind,
    )  # fmt: skip
    cases = [case for case in CASES if case.name in SHOWN]
    runs = [(case.name, one) for case in cases for one in (case.mine, case.theirs) if one is not None]
    return {
        "words": {one.__name__: [word.value for word in one] for one in lists} | {"why": list(WORDS)},
        "facts": [
            {
                "name": f"{name}, {one.role}",
                "told": to_dict(told(one)),
                "bytes": packed(one, FACTS_COMPACT_BYTES).hex(),
                "report code": code_of(one),
            }
            for name, one in runs
        ],
    }


def test_the_layout_is_the_one_that_is_written_down() -> None:
    """A new word stands at the end of its list: a number means the same in every version."""
    assert json.loads(VECTORS.read_text("utf-8")) == json.loads(json.dumps(vectors()))


def test_the_vectors_are_read() -> None:
    for row in json.loads(VECTORS.read_text("utf-8"))["facts"]:
        assert to_dict(decode(bytes.fromhex(row["bytes"]))) == row["told"]
        assert parse(row["report code"]) == decode(bytes.fromhex(row["bytes"]))


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", "utf-8")
