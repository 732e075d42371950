"""Packing: how one field of a record of facts becomes a few bytes, and is read back from a stranger's.

Everything is a natural number in a varint, least significant 7 bits first. Small fields share one: their bits stand in
order, the first one lowest. Addresses and hardware addresses stand in tables before the rows, which name them by their
place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final, NamedTuple

from localpair.address import IPAddress, unscoped
from localpair.causes.records.codec import FactsError
from localpair.dataclass import dataclass
from localpair.limits import FACTS_ROWS
from localpair.wire.codec import Reader, Writer

_NUMBER_BITS: Final = 53  # what every reader of JSON keeps exactly
_LINK_LOCAL: Final = ip_network("fe80::/64")
_SHORT: Final = 10  # the family of an address of fe80::/64, which leaves its first half out
_TABLE: Final = 255  # addresses, and hardware addresses, of one record
MAC_BYTES: Final = 3  # of a masked hardware address
MASKED: Final = "ff:ff:ff:"  # no card has such an address: it is one of a group


def write_number(writer: Writer, value: int) -> None:
    """``value`` as a varint."""
    while value > 0x7F:
        writer.u8(value & 0x7F | 0x80)
        value >>= 7
    writer.u8(value)


def read_number(reader: Reader) -> int:
    """A varint of at most 53 bits, spelt in the shortest way."""
    value, shift = 0, 0
    while True:
        byte = reader.u8()
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > _NUMBER_BITS:
            raise FactsError("a number of more than 53 bits")
    if value >> _NUMBER_BITS or (not byte and shift > 7):
        raise FactsError("a number that is too large, or has another spelling")
    return value


@dataclass(slots=True)
class Tables:
    """The addresses and masked hardware addresses that the rows name."""

    addresses: dict[IPAddress, int] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    address_list: list[IPAddress] = field(default_factory=list)
    mac_list: list[str] = field(default_factory=list)

    def address(self, one: IPAddress) -> int:
        """The place of an address, which gets one where it has none."""
        return self.addresses.setdefault(unscoped(one), len(self.addresses))

    def mac(self, one: str) -> int:
        """The place of a hardware address."""
        return self.macs.setdefault(one, len(self.macs))

    def write(self, writer: Writer) -> None:
        """Both tables."""
        if max(len(self.addresses), len(self.macs)) > _TABLE:
            raise FactsError("too many addresses for a compact record")
        writer.u8(len(self.addresses))
        for address in self.addresses:
            _write_address(writer, address)
        writer.u8(len(self.macs))
        for mac in self.macs:
            writer.raw(bytes.fromhex(mac.removeprefix(MASKED).replace(":", "")))

    @classmethod
    def read(cls, reader: Reader) -> Tables:
        """Both tables. Raises WireError."""
        addresses = [_read_address(reader) for _ in range(reader.u8())]
        macs = [MASKED + reader.raw(MAC_BYTES).hex(":") for _ in range(reader.u8())]
        return cls(address_list=addresses, mac_list=macs)


def _write_address(writer: Writer, address: IPAddress) -> None:
    if address in _LINK_LOCAL:
        writer.u8(_SHORT).raw(address.packed[8:])
    else:
        writer.address(address)


def _read_address(reader: Reader) -> IPAddress:
    family = reader.u8()
    if family == 4:
        return IPv4Address(reader.raw(4))
    if family == _SHORT:
        return IPv6Address(_LINK_LOCAL.network_address.packed[:8] + reader.raw(8))
    if family != 6:
        raise FactsError(f"an address of the family {family}")
    address = IPv6Address(reader.raw(16))
    if address.ipv4_mapped is not None or address in _LINK_LOCAL:
        raise FactsError("an address that has another spelling")
    return address


# --- Kinds of fields ---


class FieldKind(NamedTuple):
    """How a value becomes a natural number and a number a value. ``bits``: how many it takes where several share a
    number; 0 for one that stands alone.
    """

    number: Callable[[Tables, Any], int]
    value: Callable[[Tables, int], Any]
    bits: int = 0


NUMBER: Final = FieldKind(lambda _, value: int(value), lambda _, number: number)
FLAG: Final = FieldKind(lambda _, value: int(value), lambda _, number: bool(number), 1)
PREFIX: Final = FieldKind(lambda _, value: int(value), lambda _, number: number, 8)
ADDRESS: Final = FieldKind(
    lambda tables, value: tables.address(value), lambda tables, at: _at(tables.address_list, at)
)
MAC: Final = FieldKind(lambda tables, value: tables.mac(value), lambda tables, at: _at(tables.mac_list, at))


def choice(of: type[Enum], bits: int) -> FieldKind:
    """One word of an enumeration, by its place in it."""
    return choice_of(tuple(of), bits)


def choice_of(values: tuple[Any, ...], bits: int) -> FieldKind:
    """One of these values, by its place."""
    return FieldKind(lambda _, value: values.index(value), lambda _, number: _at(values, number), bits)


def word(words: tuple[str, ...], bits: int = 0, other: int = 0) -> FieldKind:
    """One of these words; the one at ``other`` in place of a word that is none of them."""
    places = {one: at for at, one in enumerate(words)}
    return FieldKind(lambda _, value: places.get(value, other), lambda _, number: _at(words, number), bits)


def maybe(kind: FieldKind) -> FieldKind:
    """The same, and 0 for None; one bit more where the kind has any."""

    def number(tables: Tables, value: Any) -> int:
        return 0 if value is None else kind.number(tables, value) + 1

    def value(tables: Tables, found: int) -> Any:
        return kind.value(tables, found - 1) if found else None

    return FieldKind(number, value, kind.bits + 1 if kind.bits else 0)


def usually(kind: FieldKind, usual: int) -> FieldKind:
    """The same, and 0 for the usual value."""
    return FieldKind(
        lambda tables, value: 0 if value == usual else kind.number(tables, value) + 1,
        lambda tables, number: kind.value(tables, number - 1) if number else usual,
    )


def _at(found: Any, place: int) -> Any:
    if place >= len(found):
        raise FactsError("facts that name what is not there, or what a newer localpair knows")
    return found[place]


# --- Rows ---


@dataclass(frozen=True, slots=True)
class PlainKind:
    """A row that is one value, such as an address."""

    kind: FieldKind

    def write(self, writer: Writer, tables: Tables, row: Any) -> None:
        """One row."""
        write_number(writer, self.kind.number(tables, row))

    def read(self, reader: Reader, tables: Tables) -> Any:
        """One row. Raises WireError."""
        return self.kind.value(tables, read_number(reader))


@dataclass(frozen=True, slots=True)
class RowKind:
    """How a record of one class is written: its parts in order. A part is several fields that share a number, or one
    alone, or a table of other rows. ``usual`` are the fields that are left out, as they are read back.
    """

    of: type[Any]
    parts: tuple[Any, ...]
    usual: dict[str, Any] = field(default_factory=dict)

    def write(self, writer: Writer, tables: Tables, row: Any) -> None:
        """One row."""
        for part in self.parts:
            if isinstance(part, TablePart):
                part.write(writer, tables, getattr(row, part.name))
                continue
            packed, shift = 0, 0
            for name, kind in part:
                packed |= kind.number(tables, getattr(row, name)) << shift
                shift += kind.bits
            write_number(writer, packed)

    def read(self, reader: Reader, tables: Tables) -> Any:
        """One row. Raises WireError."""
        values = dict(self.usual)
        for part in self.parts:
            if isinstance(part, TablePart):
                values[part.name] = part.read(reader, tables)
                continue
            packed = read_number(reader)
            for name, kind in part:
                alone = not kind.bits
                values[name] = kind.value(tables, packed if alone else packed & (1 << kind.bits) - 1)
                packed = 0 if alone else packed >> kind.bits
            if packed:
                raise FactsError(f"{self.of.__name__} with bits that a newer localpair knows")
        try:
            return self.of(**values)
        except ValueError as error:
            raise FactsError(str(error)) from None


@dataclass(frozen=True, slots=True)
class TablePart:
    """A table of rows: their count and one more, and the rows; 0 where it is unknown. ``single``: one row or none."""

    name: str
    kind: RowKind | PlainKind
    single: bool = False

    def write(self, writer: Writer, tables: Tables, rows: Any) -> None:
        """The whole table."""
        found = () if rows is None else (rows,) if self.single else rows
        write_number(writer, 0 if rows is None else len(found) + 1)
        for row in found:
            self.kind.write(writer, tables, row)

    def read(self, reader: Reader, tables: Tables) -> Any:
        """The whole table. Raises WireError."""
        count = read_number(reader)
        if count > (2 if self.single else FACTS_ROWS + 1) or (self.single and count == 1):
            raise FactsError(f"{self.name} with {count - 1} rows")
        rows = tuple(self.kind.read(reader, tables) for _ in range(count - 1))
        if not count:
            return None
        return rows[0] if self.single else rows
