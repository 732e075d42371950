"""The answer code: what whoever joins shows where only a person can carry its address to the issuer.

It is typed by hand, so it is short: one IPv4 address makes 16 letters. A check under a key of the offer's secret binds
it to that offer and catches typing errors; it proves nothing else, and decides nothing. Layout of version 1, big endian
(docs/protocol.md has vectors)::

    u8: version (4 bits), count of IPv6 addresses (2), count of IPv4 addresses (2); 1 to 3 in all
    u8: port, TCP and UDP (4 bits: 0 to 8 of PAIRING_PORTS, 15: a u16 follows), dial port (4 bits: 0 none, 1 to 10 of
        DIAL_PORTS, 15: a u16 follows)
    [u16 port] [u16 dial port] | 4 bytes for each IPv4 address | 16 for each IPv6 address, best first
    any number of (u8 type | u8 length | value) | 4 check: HMAC-SHA256 over all before, truncated
"""

from __future__ import annotations

import re
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from localpair.address import why_never_dialled
from localpair.dataclass import dataclass
from localpair.errors import AnswerError, WireError
from localpair.limits import (
    ANSWER_CODE_ADDRESSES,
    ANSWER_CODE_CHARS,
    ANSWER_CODE_CHECK_BYTES,
    DIAL_PORTS,
    LOWEST_DIALLED_PORT,
    PAIRING_PORTS,
)
from localpair.wire.base32 import spell, spelt
from localpair.wire.codec import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair.address import IPAddress
    from localpair.keys import SharedSecret

PREFIX: Final = "LA:"
VERSION: Final = 1
_GROUP: Final = 4  # letters between two hyphens
_IN_FULL: Final = 15
_FIRST_CRITICAL_TYPE: Final = 128
_START: Final = re.compile(PREFIX, re.IGNORECASE | re.ASCII)
_FEWEST_LETTERS: Final = 8  # half of the shortest code; whoever types fewer means something else
_MEANT: Final = str.maketrans("018", "OIB")  # they never occur in base32, and look alike
_JOINER_AT_FAULT: Final = "Update localpair on the other device."


@dataclass(frozen=True, slots=True)
class Answer:
    """Where whoever joins can be called. Building one with impossible fields raises `AnswerError`.

    ``port`` is that of its listener, TCP and UDP; ``dial_port`` the TCP port that it dials from, 0 for none.
    ``addresses`` carry no scope: IPv4 first, then IPv6, each family best first. ``dropped`` explains each address
    that stood in the text and is not to be called.
    """

    port: int
    dial_port: int
    addresses: tuple[IPAddress, ...]
    dropped: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not LOWEST_DIALLED_PORT <= self.port <= 65_535:
            raise _impossible(f"port {self.port}, allowed are {LOWEST_DIALLED_PORT} to 65535")
        if self.dial_port and not LOWEST_DIALLED_PORT <= self.dial_port <= 65_535:
            raise _impossible(f"dial port {self.dial_port}, allowed are {LOWEST_DIALLED_PORT} to 65535")
        if not 1 <= len(self.addresses) + len(self.dropped) <= ANSWER_CODE_ADDRESSES:
            raise _impossible(f"{len(self.addresses)} addresses, allowed are 1 to {ANSWER_CODE_ADDRESSES}")

    def text(self, secret: SharedSecret) -> str:
        """The text to show, bound to the offer of ``secret``: ``LA:ABCD-EFGH-IJKL-MNOP``."""
        body = _encode(self)
        word = spell(body + secret.answer_check(body))
        return PREFIX + "-".join(word[at : at + _GROUP] for at in range(0, len(word), _GROUP))

    @classmethod
    def parse(cls, text: str, secret: SharedSecret) -> Answer:
        """The answer to the offer of ``secret`` in ``text``, with or without its ``LA:``, however it is grouped.

        Raises `AnswerError` for everything else. No error repeats what it read.
        """
        body = _checked_body(text, secret)
        try:
            return _decode(Reader(body))
        except WireError as error:
            raise AnswerError(f"the answer code makes no sense: {error}", hint=_JOINER_AT_FAULT) from None


def _impossible(what: str) -> AnswerError:
    return AnswerError(f"the answer code holds {what}", hint=_JOINER_AT_FAULT)


def _encode(answer: Answer) -> bytes:
    of4 = [address for address in answer.addresses if isinstance(address, IPv4Address)]
    of6 = [address for address in answer.addresses if isinstance(address, IPv6Address)]
    port = _number(answer.port, PAIRING_PORTS, 0)
    dial_port = _number(answer.dial_port, DIAL_PORTS, 1) if answer.dial_port else 0
    writer = Writer().u8(VERSION << 4 | len(of6) << 2 | len(of4)).u8(port << 4 | dial_port)
    for number, value in ((port, answer.port), (dial_port, answer.dial_port)):
        if number == _IN_FULL:
            writer.u16(value)
    packed = [address.packed for address in of4] + [address.packed for address in of6]
    return writer.raw(b"".join(packed)).done()


def _number(port: int, known: range, first: int) -> int:
    return known.index(port) + first if port in known else _IN_FULL


def _checked_body(text: str, secret: SharedSecret) -> bytes:
    if not text.strip():
        raise AnswerError("the answer code is empty", hint="Type what the other device shows, from LA: on.")
    if len(text) > ANSWER_CODE_CHARS:
        raise AnswerError(
            f"the text is too long for an answer code: {len(text)} characters",
            hint="Type the code alone: the text that starts with LA:",
        )
    if not _START.search(text) and sum(map(str.isalnum, text)) < _FEWEST_LETTERS:
        raise AnswerError(
            "that is no answer code, and nothing was asked yet",
            hint="Here only the code can be typed that the other device may show: sixteen letters or more after LA:",
        )
    starts = [text[match.end() :] for match in _START.finditer(text)] or [text]
    for start in starts:
        for body in _bodies(start.translate(_MEANT), secret):
            return body
    raise AnswerError(
        "no answer code for the offer shown: a letter is wrong or missing",
        hint="Compare it with the other screen. A device that read another offer has to read this one first.",
    )


def _bodies(text: str, secret: SharedSecret) -> Iterator[bytes]:
    """What of ``text`` passes the check, the longest run of words first: what stands behind it is talk."""
    for data in spelt(text):
        body, check = data[:-ANSWER_CODE_CHECK_BYTES], data[-ANSWER_CODE_CHECK_BYTES:]
        if body and secret.is_answer_check(body, check):
            yield body


def _decode(reader: Reader) -> Answer:
    head, numbers = reader.u8(), reader.u8()
    if head >> 4 != VERSION:
        raise AnswerError(
            f"the answer code was made by another localpair (version {head >> 4}, understood is {VERSION})",
            hint="Use the same version of localpair on both devices.",
        )
    port = _port(reader, numbers >> 4, PAIRING_PORTS, 0)
    dial_port = _port(reader, numbers & 15, DIAL_PORTS, 1) if numbers & 15 else 0
    addresses: list[IPAddress] = [IPv4Address(reader.raw(4)) for _ in range(head & 3)]
    addresses += [IPv6Address(reader.raw(16)) for _ in range(head >> 2 & 3)]
    if len(addresses) > ANSWER_CODE_ADDRESSES:
        raise _impossible(f"{len(addresses)} addresses, allowed are 1 to {ANSWER_CODE_ADDRESSES}")
    _pass_over_the_rest(reader)
    reasons = {address: why_never_dialled(address) for address in addresses}
    return Answer(
        port,
        dial_port,
        tuple(address for address, reason in reasons.items() if not reason),
        tuple(f"{address} was dropped: {reason}" for address, reason in reasons.items() if reason),
    )


def _port(reader: Reader, number: int, known: range, first: int) -> int:
    if number == _IN_FULL:
        return reader.u16()
    if not first <= number < first + len(known):
        raise WireError(f"unknown port number {number}")
    return known[number - first]


def _pass_over_the_rest(reader: Reader) -> None:
    while not reader.at_end():
        kind, _ = reader.u8(), reader.bytes8()
        if kind >= _FIRST_CRITICAL_TYPE:
            raise AnswerError(
                f"the answer code was made by a newer localpair (field {kind} is not understood)",
                hint="Update localpair on this device.",
            )
