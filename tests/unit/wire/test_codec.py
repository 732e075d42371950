"""The codec: what is written is read back, and bytes that do not fit give one error."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import WireError
from localpair.wire.codec import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 2**8 - 1),
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "bytes8": st.binary(max_size=255),
    "bytes16": st.binary(max_size=600),
    "text8": st.text(max_size=60),
    "text16": st.text(max_size=200),
    "address": st.ip_addresses().filter(lambda a: a.version == 4 or a.ipv4_mapped is None),
}
_field = st.sampled_from(sorted(_FIELDS)).flatmap(lambda name: st.tuples(st.just(name), _FIELDS[name]))
_READS = [name for name in dir(Reader) if not name.startswith("_") and name not in {"raw", "at_end", "end"}]


@given(st.lists(_field, max_size=12), st.binary(max_size=8))
def test_whatever_is_written_is_read_back(fields: list[tuple[str, Any]], tail: bytes) -> None:
    writer = Writer()
    for name, value in fields:
        getattr(writer, name)(value)
    reader = Reader(writer.raw(tail).done())
    assert [getattr(reader, name)() for name, _ in fields] == [value for _, value in fields]
    assert reader.rest() == tail
    assert reader.at_end()
    reader.end()


@given(st.binary(max_size=64), st.lists(st.sampled_from(_READS), max_size=10))
def test_garbage_gives_values_or_one_error(data: bytes, names: list[str]) -> None:
    reader = Reader(data)
    with contextlib.suppress(WireError):
        for name in names:
            getattr(reader, name)()
        assert len(reader.rest()) <= len(data)


def test_the_layout_is_big_endian_and_length_prefixed() -> None:
    written = (
        Writer().u8(1).u16(2).u32(3).u64(4).bytes8(b"ab").bytes16(b"c").text8("ü").text16("d")
        .address(IPv4Address("10.0.0.1")).address(IPv6Address("fd00::1%eth0")).done()
    )  # fmt: skip
    assert written.hex(" ") == (
        "01 00 02 00 00 00 03 00 00 00 00 00 00 00 04 02 61 62 00 01 63 02 c3 bc 00 01 64 "
        "04 0a 00 00 01 06 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01"
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda w: w.u8(256),
        lambda w: w.u8(-1),
        lambda w: w.u16(2**16),
        lambda w: w.u32(2**32),
        lambda w: w.u64(2**64),
        lambda w: w.bytes8(bytes(256)),
        lambda w: w.bytes16(bytes(2**16)),
        lambda w: w.text8("ü" * 128),
        lambda w: w.text16("ü" * 2**15),
        lambda w: w.text8("\ud800"),
    ],
)
def test_a_value_that_does_not_fit_is_our_own_mistake(write: Callable[[Writer], object]) -> None:
    with pytest.raises(ValueError):
        write(Writer())


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"", lambda r: r.u8()),
        (b"\0", lambda r: r.u16()),
        (b"\0\0\0", lambda r: r.u32()),
        (bytes(7), lambda r: r.u64()),
        (b"\x03ab", lambda r: r.bytes8()),
        (b"\xff\xffab", lambda r: r.bytes16()),
        (b"ab", lambda r: r.raw(3)),
        (b"ab", lambda r: r.raw(-1)),
        (b"\x02\xc3(", lambda r: r.text8()),
        (b"\x00\x01\xff", lambda r: r.text16()),
        (b"\x05" + bytes(16), lambda r: r.address()),
        (b"\x06" + bytes(15), lambda r: r.address()),
        (b"\x06" + ip_address("::ffff:10.0.0.1").packed, lambda r: r.address()),
        (b"a", lambda r: r.end()),
    ],
)
def test_bytes_that_are_no_field_are_the_peers_mistake(data: bytes, read: Callable[[Reader], object]) -> None:
    with pytest.raises(WireError):
        read(Reader(data))


def test_an_error_names_places_and_no_contents() -> None:
    with pytest.raises(WireError) as caught:
        Reader(b"\x09\xffsecret").text8()
    assert "truncated at byte 1: 9 bytes wanted, 7 left" in str(caught.value)
    with pytest.raises(WireError) as caught:
        Reader(b"\x07\xffsecret").text8()
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None  # a decoding error as the cause would show the bytes
