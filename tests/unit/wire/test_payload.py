"""Messages of a session: round trips, garbage, and the fixed values that a compatible program must give.

`PYTHONPATH=tests/support python tests/unit/wire/test_payload.py` writes the vectors anew; a change of
them is a change of the protocol.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
from localpair.errors import WireError
from localpair.limits import FRAME_BYTES, NAME_WIRE_BYTES, PATH_DEPTH, REASON_BYTES, UNSETTLED_ENTRIES
from localpair.names.labels import clean_label
from localpair.wire.filekey import PATH_BYTES, FileKey, Kept
from localpair.wire.framing import Frame
from localpair.wire.payload import (
    Abandon,
    Accept,
    Ask,
    Attach,
    Begin,
    Bye,
    Cancel,
    Closed,
    End,
    Finish,
    Have,
    Kind,
    Note,
    NoteAck,
    Partial,
    Payload,
    Ping,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    Total,
    clip,
    decode_payload,
)

VECTORS = places.VECTORS / "payload.json"
HASH = bytes(range(32))
EXAMPLES: list[Payload] = [
    Attach(bytes(range(16)), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE),
    Attach(
        bytes(range(16)), bytes(range(16, 32)), 7, 2, SendPhase.OPEN, 3, ReceivePhase.OPEN, "", 5,
        Partial(5, 1 << 33, HASH), (Result(3, HASH), Result(4, reason="it changed while it was read")),
    ),
    Attach(bytes(16), bytes(16), 1, 0, SendPhase.IDLE, 1, ReceivePhase.STOPPED, "the disk is full"),
    Ping(),
    Bye(),
    Note(1, b"hello"),
    NoteAck(9, 8),
    Start(1),
    Start(1, 9, ("Größe.txt", "..")),
    Accept(1),
    Accept(1, (Kept(FileKey.of(("photos", "sommer.jpg"), 1_234_567, 1_700_000_000_123_456_789), 1_048_576),)),
    Accept(1, compares=True),
    Ask(FileKey.of(("photos", "sommer.jpg"), 1_234_567, 1_700_000_000_123_456_789)),
    Have(1, Kept(FileKey.of(("photos", "sommer.jpg"), 1_234_567, 1_700_000_000_123_456_789), 1_048_576), HASH),
    Begin(0, Kind.FOLDER, ("photos",)),
    Begin(1, Kind.FILE, ("photos", "sommer.jpg"), 1_234_567, 1_700_000_000_123_456_789),
    Begin(1, Kind.FILE, ("photos", "sommer.jpg"), 1_234_567, 1_700_000_000_123_456_789, offset=524_288),
    Begin(2, Kind.CHECK, ("photos", "winter.jpg"), 1_234_567, 1_700_000_000_123_456_789),
    Begin(3, Kind.SAME, ("photos", "winter.jpg"), 1_234_567, 1_700_000_000_123_456_789),
    Begin(2, Kind.MISSING, ("photos", "geheim"), reason="Permission denied"),
    End(1, HASH),
    Abandon(1, "it changed while it was read"),
    Total(3, 1_234_567),
    Total(3, 1_234_567, 9, ("Größe.txt", "..")),
    Finish(1),
    Cancel(1, "the sender cancelled"),
    Settled(1, (Result(0), Result(1, HASH), Result(2, reason="Permission denied"), Result(3, left=True))),
    StopBatch(1, "the receiver cancelled"),
    Closed(1),
]  # fmt: skip

u64 = st.integers(0, 2**64 - 1)
u32 = st.integers(0, 2**32 - 1)
hashes = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
reasons = st.text("abc. äж/", max_size=40).map(clean_label)
keys = st.builds(FileKey, st.binary(min_size=PATH_BYTES, max_size=PATH_BYTES), u64, u64)
kept = st.builds(Kept, keys, u64)
results = st.builds(Result, u64, hashes, reasons, st.booleans())
payloads = st.one_of(
    st.builds(
        Attach, st.binary(min_size=16, max_size=16), st.just(b"") | st.binary(min_size=16, max_size=16), u64,
        u32, st.sampled_from(SendPhase), u32, st.sampled_from(ReceivePhase), reasons, u64,
        st.none() | st.builds(Partial, u64, u64, hashes), st.lists(results, max_size=5).map(tuple),
    ),
    st.builds(Note, u64, st.binary(max_size=200)),
    st.builds(NoteAck, u64, u64),
    st.builds(Accept, u32, st.lists(kept, max_size=5).map(tuple), st.booleans()),
    st.builds(Start, u32, u32, st.lists(texts, max_size=5).map(tuple)),
    st.builds(Finish, u32) | st.builds(Closed, u32),
    st.builds(
        Begin, u64, st.sampled_from(Kind), st.lists(texts, min_size=1, max_size=PATH_DEPTH).map(tuple), u64, u64,
        u64, reasons,
    ),
    st.builds(Ask, keys) | st.builds(Have, u32, kept, hashes),
    st.builds(End, u64, hashes),
    st.builds(Abandon, u64, reasons) | st.builds(Cancel, u32, reasons) | st.builds(StopBatch, u32, reasons),
    st.builds(Total, u64, u64, u32, st.lists(texts, max_size=5).map(tuple)),
    st.builds(Settled, u32, st.lists(results, max_size=5).map(tuple)),
)  # fmt: skip


def again(message: Payload) -> Payload:
    return decode_payload(Frame(message.TYPE, message.encode()))


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_examples_come_back(message: Payload) -> None:
    assert again(message) == message


@given(payloads)
def test_messages_come_back(message: Payload) -> None:
    assert again(message) == message


@given(st.integers(0, 255), st.binary(max_size=300))
def test_garbage_is_a_message_or_one_error(kind: int, body: bytes) -> None:
    try:
        message = decode_payload(Frame(kind, body))
    except WireError:
        return
    assert again(message) == message


@given(payloads, st.data())
def test_truncation_never_raises_anything_else(message: Payload, data: st.DataObject) -> None:
    body = message.encode()
    cut = data.draw(st.integers(0, len(body)))
    try:
        decode_payload(Frame(message.TYPE, body[:cut]))
    except WireError:
        pass


def test_later_fields_are_passed_over() -> None:
    message = EXAMPLES[-1]
    assert decode_payload(Frame(message.TYPE, message.encode() + b"from the future")) == message


def test_a_path_too_deep_or_a_name_too_long_can_be_read_so_that_the_entry_alone_is_refused() -> None:
    for parts in (("a",) * (PATH_DEPTH + 1), ("a" * (NAME_WIRE_BYTES + 1),)):
        assert again(Begin(0, Kind.FILE, parts)).parts == parts  # type: ignore[union-attr]
    with pytest.raises(WireError):
        again(Begin(0, Kind.FILE, ()))


def test_reasons_are_clipped_to_whole_characters() -> None:
    clipped = clip("ä" * REASON_BYTES)
    assert len(clipped.encode()) <= REASON_BYTES
    assert set(clipped) == {"ä"}
    assert clip("a lone \ud800 surrogate") == "a lone ? surrogate"


@pytest.mark.parametrize("kind", [StopBatch, Cancel, Abandon])
def test_reasons_of_the_peer_are_fit_for_a_screen(kind: type[StopBatch | Cancel | Abandon]) -> None:
    message = again(kind(1, "\x1b[2Jfree\u202e\nmoney"))
    assert isinstance(message, kind)
    assert (
        message.reason
        == "\N{REPLACEMENT CHARACTER}[2Jfree\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}money"
    )


def test_the_largest_state_fits_a_frame() -> None:
    results = tuple(Result(number, HASH, "r" * REASON_BYTES) for number in range(UNSETTLED_ENTRIES))
    largest = Attach(bytes(16), bytes(16), 0, 1, SendPhase.OPEN, 1, ReceivePhase.OPEN, "r" * REASON_BYTES,
                     UNSETTLED_ENTRIES, Partial(0, 0, HASH), results)  # fmt: skip
    assert len(largest.encode()) < FRAME_BYTES


def vectors() -> list[dict[str, Any]]:
    return [
        {"name": type(message).__name__, "type": message.TYPE, "body": message.encode().hex()}
        for message in EXAMPLES
    ]


def test_bytes_are_what_they_were() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")
