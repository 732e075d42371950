"""Frames over a byte stream: whatever the cuts, and whatever an attacker writes into the length."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import WireError
from localpair.wire.framing import Frame, FrameDecoder, Slice, encode_frame, frame_header

STREAMED = 43
LIMIT = 4096


def decode_all(decoder: FrameDecoder, data: bytes) -> list[Frame | Slice]:
    """Everything that ``data`` completes."""
    view, found = memoryview(data), []
    while view:
        part, used = decoder.decode(view)
        view = view[used:]
        if part is not None:
            found.append(part)
        elif not used:
            raise AssertionError("nothing was used and nothing came out")
    return found


def put_together(parts: list[Frame | Slice]) -> list[Frame]:
    """Slices joined to frames."""
    frames, pending = [], b""
    for part in parts:
        if isinstance(part, Frame):
            frames.append(part)
            continue
        pending += bytes(part.data)
        if part.last:
            frames.append(Frame(part.type, pending))
            pending = b""
    assert not pending
    return frames


frames = st.lists(
    st.builds(Frame, st.integers(0, 255) | st.just(STREAMED), st.binary(max_size=300)), max_size=8
)


@given(frames, st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_frames_survive_any_cuts(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(encode_frame(frame.type, frame.body) for frame in sent)
    decoder = FrameDecoder(LIMIT, {STREAMED})
    found, position, turn = [], 0, 0
    while position < len(data):
        step = cuts[turn % len(cuts)]
        found += decode_all(decoder, data[position : position + step])
        position, turn = position + step, turn + 1
    decoder.finish()
    assert put_together(found) == sent


@given(st.binary(max_size=400))
def test_garbage_gives_frames_or_one_error(data: bytes) -> None:
    decoder = FrameDecoder(64, {STREAMED})
    try:
        found = decode_all(decoder, data)
    except WireError:
        return
    assert sum(len(part.body if isinstance(part, Frame) else part.data) for part in found) <= len(data)


@pytest.mark.parametrize("length", [0, LIMIT + 1, 2**31, 2**32 - 1])
def test_a_hostile_length_is_refused_before_its_body(length: int) -> None:
    with pytest.raises(WireError):
        decode_all(FrameDecoder(LIMIT), length.to_bytes(4, "big"))


def test_the_largest_frame_is_accepted() -> None:
    body = bytes(LIMIT - 1)
    assert decode_all(FrameDecoder(LIMIT), encode_frame(7, body)) == [Frame(7, body)]
    with pytest.raises(WireError):
        decode_all(FrameDecoder(LIMIT), encode_frame(7, body + b"!"))


def test_an_announced_megabyte_costs_no_memory_before_it_arrives() -> None:
    decoder = FrameDecoder(64 << 20)
    tracemalloc.start()
    try:
        assert decode_all(decoder, frame_header(7, 32 << 20)) == []
        for _ in range(100):
            assert decode_all(decoder, b"drip") == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


def test_a_slow_drip_completes_in_the_end() -> None:
    decoder, found = FrameDecoder(LIMIT), []
    for byte in encode_frame(9, b"slowly"):
        found += decode_all(decoder, bytes([byte]))
    assert found == [Frame(9, b"slowly")]


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_premature_end_is_one_error(cut: int) -> None:
    decoder = FrameDecoder(LIMIT)
    decode_all(decoder, encode_frame(9, b"hello")[:cut])
    with pytest.raises(WireError):
        decoder.finish()


def test_an_end_between_frames_is_none() -> None:
    decoder = FrameDecoder(LIMIT)
    decode_all(decoder, encode_frame(9, b"hello"))
    decoder.finish()


def test_a_new_limit_holds_from_the_next_frame_on() -> None:
    decoder = FrameDecoder(16)
    first, second = encode_frame(1, bytes(10)), encode_frame(2, bytes(100))
    part, used = decoder.decode(memoryview(first + second))
    assert part == Frame(1, bytes(10))
    decoder.limit = 200
    assert decode_all(decoder, (first + second)[used:]) == [Frame(2, bytes(100))]


def test_streamed_bodies_are_views_of_what_was_fed() -> None:
    data = bytearray(encode_frame(STREAMED, b"abcdef"))
    part, used = FrameDecoder(LIMIT, {STREAMED}).decode(memoryview(data))
    assert isinstance(part, Slice)
    assert used == len(data)
    data[-1] = ord("z")
    assert bytes(part.data) == b"abcdez"


def test_an_empty_streamed_body_is_one_last_slice() -> None:
    [part] = decode_all(FrameDecoder(LIMIT, {STREAMED}), encode_frame(STREAMED, b""))
    assert isinstance(part, Slice)
    assert part.last
    assert not part.data
