"""A run's page: what the model says of a record, and what of it stands in the HTML."""

from __future__ import annotations

import random
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from localpair_lab.cli.selection import chosen
from localpair_lab.judge.verdict import Verdict
from localpair_lab.plan.changes import SetLink
from localpair_lab.report.page.build import run_page
from localpair_lab.report.page.dissection import dissected
from localpair_lab.report.page.flights import flights
from localpair_lab.report.page.markup import tag
from localpair_lab.report.page.model import Arrow, Row
from localpair_lab.report.page.record import RunRecord
from localpair_lab.report.page.render import run_html
from localpair_lab.report.page.rows import MOST_PACKETS, timeline_rows
from localpair_lab.report.page.sayings import saying

import lab_pages as pages
import places

# --- Packets ---


def test_a_frame_that_arrives_is_one_flight() -> None:
    cell = pages.flat()
    found = flights(cell.plan, pages.record(cell).frames)
    lost, heard, *_ = found
    assert (lost.sender, lost.receivers, lost.is_lost) == ("bob/eth0", (), True)
    assert (heard.sender, [port for port, _ in heard.receivers]) == ("alice/eth0", ["bob/eth0"])
    assert not heard.is_lost
    assert len(found) == 22


def test_equal_frames_reach_the_one_that_was_sent_last() -> None:
    cell = pages.flat()
    frame = pages.datagram(
        pages.mac(cell, "alice/eth0"), pages.GROUP, "192.168.1.10", "224.0.0.171", b"again"
    )
    first, second = flights(cell.plan, [
        pages.seen("alice/eth0", 1, frame, outbound=True),
        pages.seen("alice/eth0", 2, frame, outbound=True),
        pages.seen("bob/eth0", 2.001, frame, outbound=False),
    ])  # fmt: skip
    assert first.is_lost
    assert [port for port, _ in second.receivers] == ["bob/eth0"]


def test_what_a_switch_floods_to_others_is_not_theirs() -> None:
    cell = pages.flat()
    frame = pages.datagram(
        pages.mac(cell, "alice/eth0"), bytes.fromhex("02aabbccddee"), "10.0.0.1", "10.0.0.2", b""
    )
    (flight,) = flights(cell.plan, [
        pages.seen("alice/eth0", 1, frame, outbound=True),
        pages.seen("bob/eth0", 1.001, frame, outbound=False),
    ])  # fmt: skip
    assert flight.is_lost


def test_a_frame_that_nobody_was_seen_to_send_is_told() -> None:
    cell = pages.flat()
    frame = pages.datagram(b"\x02" + bytes(5), pages.GROUP, "192.168.1.99", "224.0.0.171", b"")
    (flight,) = flights(cell.plan, [pages.seen("bob/eth0", 1, frame, outbound=False)])
    assert (flight.sender, flight.receivers[0][0], flight.is_lost) == ("", "bob/eth0", False)


def test_packets_are_told_in_words() -> None:
    cell = pages.flat()
    alice, bob = pages.mac(cell, "alice/eth0"), pages.mac(cell, "bob/eth0")
    udp = dissected(pages.datagram(alice, bob, "10.0.0.1", "10.0.0.2", b"secret?"))
    assert udp.line == "UDP 10.0.0.1:46821 → 10.0.0.2:46820, 7 B"
    assert "73 65 63 72 65 74 3f" in udp.content
    syn = dissected(pages.segment(alice, bob, "10.0.0.1", "10.0.0.2", 0x02, b""))
    assert syn.line.endswith("SYN")
    assert not syn.flow, "news of a connection are never gathered"
    reset = dissected(pages.segment(alice, bob, "10.0.0.1", "10.0.0.2", 0x14, b""))
    assert reset.is_refusal
    hello = dissected(pages.segment(alice, bob, "10.0.0.1", "10.0.0.2", 0x18, b"\x16\x03\x01" + bytes(50)))
    assert hello.line.endswith("TLS handshake, 53 B")


def test_no_frame_is_too_strange() -> None:
    chance = random.Random(7)
    cell = pages.flat()
    whole = pages.segment(pages.mac(cell, "bob/eth0"), pages.GROUP, "10.0.0.1", "10.0.0.2", 0x10, bytes(60))
    kinds = [b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x12\x34"]
    for length in range(120):
        assert dissected(whole[:length]).line
        for kind in kinds:
            assert dissected(chance.randbytes(12) + kind + chance.randbytes(length)).line


# --- Rows ---


def rows(record: RunRecord) -> tuple[Row, ...]:
    return timeline_rows(pages.flat().plan, record).rows


def test_rows_are_in_order_with_packets_between_the_lanes() -> None:
    told = timeline_rows(pages.flat().plan, pages.record(pages.flat()))
    assert [row.at for row in told.rows] == sorted(row.at for row in told.rows)
    alice, bob = told.lanes.index("alice"), told.lanes.index("bob")
    lost = next(row for row in told.rows if row.is_lost)
    assert lost.arrows == (Arrow(bob, None),)
    heard = next(row for row in told.rows if row.arrows == (Arrow(alice, bob),))
    assert heard.ports == ("alice/eth0", "bob/eth0")
    assert ("reached", "bob/eth0 after 1.00 ms") in heard.detail.parts


def test_a_long_run_of_one_conversation_is_one_row() -> None:
    found = [row for row in rows(pages.record(pages.flat())) if "20 packets" in row.text]
    assert len(found) == 1
    assert found[0].detail.text.count("\n") == 19


def test_a_word_between_parts_a_run() -> None:
    record = pages.record(pages.flat())
    between = pages.entry(0.5095, "stderr", "join", "a word")
    found = [
        row for row in rows(replace(record, entries=(*record.entries, between))) if "packets, " in row.text
    ]
    assert [text for row in found for text in [row.text.split(": ")[1].split(" ")[0]]] == ["10", "10"]


def test_what_is_left_out_is_said() -> None:
    cell = pages.flat()
    alice, bob = pages.mac(cell, "alice/eth0"), pages.mac(cell, "bob/eth0")

    def frame(number: int) -> bytes:
        return pages.datagram(alice, bob, "10.0.0.1", "10.0.0.2", str(number).encode())

    frames = tuple(
        pages.seen("alice/eth0", n / 1000, frame(n), outbound=True) for n in range(MOST_PACKETS + 5)
    )
    told = timeline_rows(cell.plan, RunRecord((), frames, pages.BEGAN_NS))
    assert len(told.rows) == MOST_PACKETS
    assert told.left_out == ("5 later packets",)


def test_ports_of_no_machine_are_passed_over() -> None:
    cell = pages.flat()
    frame = pages.datagram(b"\x02" + bytes(5), pages.GROUP, "10.0.0.1", "224.0.0.171", b"")
    frames = (pages.seen("nobody/eth0", 1, frame, outbound=True),)
    assert timeline_rows(cell.plan, RunRecord((), frames, pages.BEGAN_NS)).rows == ()


def test_a_change_makes_another_drawing_from_then_on() -> None:
    cell = chosen("change/cable-flaps", "")
    event = next(event for event in cell.plan.events if isinstance(event.change, SetLink))
    entries = (
        pages.entry(0.1, "action", "host", "starts on bob: x"),
        pages.entry(1.0, "event", event.id, event.text),
        pages.entry(1.1, "event", event.id, "done"),
        pages.entry(2.0, "action", "host", "ends with 0"),
    )
    told = timeline_rows(cell.plan, RunRecord(entries, (), 0))
    assert [row.state for row in told.rows] == [0, 0, 1, 1]
    assert len(told.states) == 2
    assert not told.states[1].interface(event.change.port).carrier


# --- The page ---


def test_the_way_that_was_taken_is_marked_among_those_of_the_oracle() -> None:
    (state, *_) = pages.page(Verdict.PASSED).oracle
    marked = [words for words, taken in state.ways if taken]
    assert marked == ["alice dials bob: 192.168.1.10 to 192.168.1.20"]
    assert state.ways[0][1], "what was taken comes first"
    assert len(state.ways) > 1


def test_who_dials_at_once_is_told_from_who_dials() -> None:
    cell = pages.flat()
    path = {"local": "192.168.1.10:1", "remote": "192.168.1.20:2", "direction": "simultaneous"}
    record = RunRecord((pages.json_entry(1, "join", "paired", path=path),), (), 0)
    (state, *_) = run_page(cell, pages.outcome(Verdict.PASSED), record, places.ROOT).oracle
    assert [" dial at once" in words for words, taken in state.ways if taken] == [True]


def test_no_way_is_marked_where_devices_paired_on_another() -> None:
    cell = pages.flat()
    path = {"local": "10.9.9.9:1", "remote": "10.9.9.8:2", "direction": "out"}
    record = RunRecord((pages.json_entry(1, "join", "paired", path=path),), (), 0)
    (state, *_) = run_page(cell, pages.outcome(Verdict.PASSED), record, places.ROOT).oracle
    assert state.ways
    assert not any(taken for _, taken in state.ways)


def test_causes_are_told_where_a_device_concluded_some() -> None:
    (cause,) = pages.page().causes
    assert (cause.device, cause.certainty, cause.evidence) == ("alice", "likely", ("hello",))
    cell = pages.flat()
    single = RunRecord((pages.json_entry(1, "join", "cause", text="a wall", hint="a door"),), (), 0)
    (cause,) = run_page(cell, pages.outcome(Verdict.FAILED), single, places.ROOT).causes
    assert (cause.text, cause.hint) == ("a wall", "a door")


def test_without_conclusions_there_is_no_section_for_them() -> None:
    cell = pages.flat()
    page = run_page(cell, pages.outcome(Verdict.FAILED), RunRecord((), (), 0), places.ROOT)
    assert "What the devices concluded" not in run_html(page)
    assert "What the devices concluded" in run_html(pages.page())


def test_the_failing_line_is_marked_in_the_scenario() -> None:
    page = pages.page()
    (line,) = [line for line in page.source if line.failures]
    assert line.number == pages.flat().cell.line(("expect", 0))
    html = run_html(page)
    assert f'<div id="line-{line.number}" class="wrong">' in html
    assert f'href="#line-{line.number}"' in html


def test_the_page_says_how_to_play_it_again() -> None:
    html = run_html(pages.page())
    assert "localpair-lab run lab/scenarios/flow/flat.yaml --cell" in html
    assert "--engine namespace" in html


class Reader(HTMLParser):
    """Every element with its attributes, scripts' texts, and all other text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] not in (["script"], ["style"]):
            self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_devices_say_stays_text(verdict: Verdict) -> None:
    calm, hostile = (
        read(run_html(pages.page(verdict))),
        read(run_html(pages.page(verdict, said=pages.HOSTILE))),
    )
    assert [name for name, _ in hostile.elements] == [name for name, _ in calm.elements]
    assert "document.title='taken'" in hostile.text
    for _, attributes in hostile.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert str(attributes.get("href", "#")).startswith(("#", "https://", "data:,"))
    assert "\x1b" not in hostile.text
    assert hostile.text.encode(), "no half of a pair of surrogates stays"


def test_a_reference_that_is_no_web_page_is_no_link() -> None:
    page = replace(pages.page(), references=("javascript:alert(1)", "https://example.org/x"))
    links = [attributes.get("href") for name, attributes in read(run_html(page)).elements if name == "a"]
    assert "https://example.org/x" in links
    assert not [link for link in links if str(link).startswith("javascript")]


def test_attributes_are_escaped() -> None:
    assert tag("a", "<", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">&lt;</a>'


@pytest.mark.parametrize("fields", [{}, {"peer": 3}, {"path": "x"}, {"addresses": 7}, {"bytes": "many"}])
def test_events_of_another_shape_are_told_as_they_are(fields: dict[str, object]) -> None:
    for name in (
        "offer",
        "ready",
        "address",
        "peer",
        "attempt",
        "approval",
        "paired",
        "received",
        "verdict",
        "new",
    ):
        assert saying(name, fields).text


def test_a_page_stays_small() -> None:
    """The most rows of every sort that there can be, each with all that it can hold."""
    cell = pages.flat()
    alice = pages.mac(cell, "alice/eth0")

    def frame(number: int) -> bytes:
        return pages.datagram(alice, pages.GROUP, "10.0.0.1", "224.0.0.171", number.to_bytes(2) * 99)

    frames = tuple(pages.seen("alice/eth0", n / 1000, frame(n), outbound=True) for n in range(2000))
    entries = tuple(pages.json_entry(n / 1000, "join", "attempt", candidate="x" * 300) for n in range(2000))
    page = run_page(
        cell, pages.outcome(Verdict.FAILED), RunRecord(entries, frames, pages.BEGAN_NS), places.ROOT
    )
    assert 500_000 < len(run_html(page).encode()) < 2_000_000
