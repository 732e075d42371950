"""Bounded, big-endian building and reading of bytes: what every message format of localpair is made of.

A ``Reader`` raises `WireError` for whatever a peer can get wrong. A ``Writer`` raises `ValueError` for a
value that does not fit, since that is our own mistake.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Self

from localpair.address import unscoped
from localpair.errors import WireError

if TYPE_CHECKING:
    from localpair.address import IPAddress


class Writer:
    """Builds bytes field by field; every method but ``done`` returns the writer itself."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u8(self, value: int) -> Self:
        """One byte, 0 to 255."""
        return self._unsigned(value, 1)

    def u16(self, value: int) -> Self:
        """Two bytes, 0 to 65,535."""
        return self._unsigned(value, 2)

    def u32(self, value: int) -> Self:
        """Four bytes."""
        return self._unsigned(value, 4)

    def u64(self, value: int) -> Self:
        """Eight bytes."""
        return self._unsigned(value, 8)

    def raw(self, value: bytes) -> Self:
        """``value`` as it is: the reader must know its length."""
        self._parts.append(bytes(value))
        return self

    def bytes8(self, value: bytes) -> Self:
        """At most 255 bytes after a length of one byte."""
        return self.u8(len(value)).raw(value)

    def bytes16(self, value: bytes) -> Self:
        """At most 65,535 bytes after a length of two bytes."""
        return self.u16(len(value)).raw(value)

    def text8(self, value: str) -> Self:
        """Text whose UTF-8 form has at most 255 bytes. Lone surrogates raise ``ValueError``."""
        return self.bytes8(value.encode())

    def text16(self, value: str) -> Self:
        """Text whose UTF-8 form has at most 65,535 bytes. Lone surrogates raise ``ValueError``."""
        return self.bytes16(value.encode())

    def address(self, value: IPAddress) -> Self:
        """A family byte, 4 or 6, then 4 or 16 bytes. The scope is left out: it means nothing elsewhere."""
        return self.u8(value.version).raw(unscoped(value).packed)

    def done(self) -> bytes:
        """Everything written so far."""
        return b"".join(self._parts)

    def _unsigned(self, value: int, size: int) -> Self:
        if not 0 <= value < 1 << 8 * size:
            raise ValueError(f"{value} does not fit an unsigned field of {size} bytes")
        self._parts.append(value.to_bytes(size, "big"))
        return self


class Reader:
    """Takes bytes apart field by field. Raises `WireError` where they end too early or make no sense.

    Errors name offsets and lengths, never contents: the bytes may hold a secret.
    """

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = bytes(data)
        self._offset = 0

    def u8(self) -> int:
        """One byte."""
        return int.from_bytes(self.raw(1), "big")

    def u16(self) -> int:
        """Two bytes."""
        return int.from_bytes(self.raw(2), "big")

    def u32(self) -> int:
        """Four bytes."""
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        """Eight bytes."""
        return int.from_bytes(self.raw(8), "big")

    def raw(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        end = self._offset + size
        if size < 0 or end > len(self._data):
            left = len(self._data) - self._offset
            raise WireError(f"truncated at byte {self._offset}: {size} bytes wanted, {left} left")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def bytes8(self) -> bytes:
        """Bytes after a length of one byte."""
        return self.raw(self.u8())

    def bytes16(self) -> bytes:
        """Bytes after a length of two bytes."""
        return self.raw(self.u16())

    def text8(self) -> str:
        """UTF-8 text after a length of one byte."""
        return self._text(self.bytes8())

    def text16(self) -> str:
        """UTF-8 text after a length of two bytes."""
        return self._text(self.bytes16())

    def address(self) -> IPAddress:
        """A family byte and an address. IPv4-mapped IPv6 is refused: one address has one spelling."""
        family = self.u8()
        if family == 4:
            return IPv4Address(self.raw(4))
        if family != 6:
            raise WireError(f"unknown address family {family} at byte {self._offset - 1}")
        address = IPv6Address(self.raw(16))
        if address.ipv4_mapped is not None:
            raise WireError(f"an IPv4-mapped IPv6 address at byte {self._offset - 16}")
        return address

    def rest(self) -> bytes:
        """Everything that is left, possibly nothing."""
        return self.raw(len(self._data) - self._offset)

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._offset == len(self._data)

    def end(self) -> None:
        """Raise `WireError` unless everything has been read."""
        if not self.at_end():
            left = len(self._data) - self._offset
            raise WireError(f"{left} unexpected bytes after byte {self._offset}")

    def _text(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            # The cause would show the bytes.
            raise WireError(f"text that is no UTF-8 before byte {self._offset}") from None
