"""The offer: what one device shows and the other reads, by eye, camera or clipboard, before they talk.

It pins the issuer's session key, carries a secret that is used once, and says where the issuer might be.
Layout of version 1, big endian (docs/protocol.md has vectors)::

    u8 version | u8 flags | 16 key hash | 16 secret | u16 TCP port | u16 UDP port | u16 lifetime, seconds
    u8 count | count * (u8 kind: 0-32 an IPv4 prefix, 64-192 an IPv6 prefix + 64 | 4 or 16 address)
    u8 length, label | any number of (u8 type | u8 length | value) | u32 CRC-32 of all before

Fields are only ever appended. A reader passes over types under 128 and flag bits that it does not know; a
higher type or a higher version says that passing over would be wrong.
"""

from __future__ import annotations

from dataclasses import field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from localpair.address import subnet_of, unscoped, why_never_dialled
from localpair.dataclass import dataclass
from localpair.errors import OfferError, WireError
from localpair.limits import (
    DIAL_PORTS,
    KEY_HASH_BYTES,
    LOWEST_DIALLED_PORT,
    OFFER_CANDIDATES,
    OFFER_LABEL_BYTES,
    OFFER_LIFETIME_MAX_S,
    SECRET_BYTES,
)
from localpair.wire.codec import Reader, Writer
from localpair.wire.offer_text import unwrap, wrap

if TYPE_CHECKING:
    from localpair.address import IPAddress

Flow: TypeAlias = Literal["pre", "post"]

VERSION: Final = 1  # the least version that a reader must understand
INSTANCE_BYTES: Final = 8
_FLOW_POST, _GIVES, _TAKES, _DISCOVERABLE = 1, 2, 4, 8
_IPV6_KIND: Final = 64
_TYPE_MADE_FOR: Final = 1
_TYPE_DIAL_PORT: Final = 2
_FIRST_CRITICAL_TYPE: Final = 128
_ISSUER_AT_FAULT: Final = "Ask the other device for a new offer, and update localpair there."


class OfferedAddress(NamedTuple):
    """An address of the issuer, without scope, and its prefix length in bits."""

    address: IPAddress
    prefix: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A readable offer. Building one with impossible fields raises `OfferError`.

    ``key_hash`` (16 bytes) pins the issuer's session certificate, ``secret`` (16 bytes) is used once.
    ``lifetime`` is in seconds and counts on the issuer's clock. ``gives`` and ``takes`` say whether the
    *issuer* means to send or to receive data; ``discoverable`` that it is announcing already. ``candidates``
    stand best first. ``made_for`` is the instance (8 bytes) of the one device that a post-flow offer is for,
    ``dial_port`` the TCP port that the issuer dials from, 0 for none. ``dropped`` explains each address that stood
    in the text and is not to be dialled.
    """

    key_hash: bytes
    secret: bytes = field(repr=False)
    tcp_port: int
    udp_port: int
    lifetime: int
    flow: Flow = "pre"
    gives: bool = False
    takes: bool = False
    discoverable: bool = True
    candidates: tuple[OfferedAddress, ...] = ()
    label: str = ""
    made_for: bytes | None = None
    dial_port: int = DIAL_PORTS.start
    dropped: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        _check_sizes(self)
        _check_numbers(self)

    @property
    def text(self) -> str:
        """The text to show, in upper case. It holds the secret: it belongs on a screen and in no log."""
        return wrap(_encode(self))

    @classmethod
    def parse(cls, text: str) -> Offer:
        """The offer in ``text``, which may be wrapped, in lower case, quoted or in the middle of a line.

        Raises `OfferError` for everything else. No error repeats what it read.
        """
        reader = Reader(unwrap(text))
        try:
            return _decode(reader)
        except WireError as error:
            raise OfferError(f"the offer makes no sense: {error}", hint=_ISSUER_AT_FAULT) from None


def fit_label(name: str) -> str:
    """``name`` cut to what an offer holds, never inside a character."""
    return name.encode(errors="replace")[:OFFER_LABEL_BYTES].decode(errors="ignore").strip()


def _check_sizes(offer: Offer) -> None:
    if len(offer.key_hash) != KEY_HASH_BYTES or len(offer.secret) != SECRET_BYTES:
        raise _impossible("a key hash or a secret of the wrong length")
    if offer.made_for is not None and len(offer.made_for) != INSTANCE_BYTES:
        raise _impossible("an instance of the wrong length")
    if len(offer.candidates) > OFFER_CANDIDATES:
        raise _impossible(f"{len(offer.candidates)} addresses, at most {OFFER_CANDIDATES} are allowed")
    try:
        label = offer.label.encode()
    except UnicodeEncodeError:
        raise _impossible("a name that is no Unicode text") from None
    if len(label) > OFFER_LABEL_BYTES:
        raise _impossible(f"a name of more than {OFFER_LABEL_BYTES} bytes")


def _check_numbers(offer: Offer) -> None:
    dial_port = [("dial", offer.dial_port)] if offer.dial_port else []
    for name, port in (("TCP", offer.tcp_port), ("UDP", offer.udp_port), *dial_port):
        if not LOWEST_DIALLED_PORT <= port <= 65535:
            raise _impossible(f"{name} port {port}, allowed are {LOWEST_DIALLED_PORT} to 65535")
    if not 1 <= offer.lifetime <= OFFER_LIFETIME_MAX_S:
        raise _impossible(f"a lifetime of {offer.lifetime} s, allowed are 1 to {OFFER_LIFETIME_MAX_S:.0f} s")
    for address, prefix in offer.candidates:
        if not 0 <= prefix <= address.max_prefixlen:
            raise _impossible(f"a prefix length of {prefix} for {address}")


def _impossible(what: str) -> OfferError:
    return OfferError(f"the offer holds {what}", hint=_ISSUER_AT_FAULT)


def _encode(offer: Offer) -> bytes:
    writer = Writer().u8(VERSION).u8(_flags(offer)).raw(offer.key_hash).raw(offer.secret)
    writer.u16(offer.tcp_port).u16(offer.udp_port).u16(offer.lifetime).u8(len(offer.candidates))
    for address, prefix in offer.candidates:
        kind = prefix if address.version == 4 else _IPV6_KIND + prefix
        writer.u8(kind).raw(unscoped(address).packed)
    writer.text8(offer.label)
    if offer.made_for is not None:
        writer.u8(_TYPE_MADE_FOR).bytes8(offer.made_for)
    if offer.dial_port != DIAL_PORTS.start:
        writer.u8(_TYPE_DIAL_PORT).bytes8(offer.dial_port.to_bytes(2))
    return writer.done()


def _flags(offer: Offer) -> int:
    bits = ((offer.flow == "post", _FLOW_POST), (offer.gives, _GIVES), (offer.takes, _TAKES))
    return sum(bit for wanted, bit in (*bits, (offer.discoverable, _DISCOVERABLE)) if wanted)


def _decode(reader: Reader) -> Offer:
    version = reader.u8()
    if version > VERSION:
        raise OfferError(
            f"the offer was made by a newer localpair (offer version {version}, understood is {VERSION})",
            hint="Update localpair on this device.",
        )
    if version == 0:
        raise _impossible("version 0")
    flags, key_hash, secret = reader.u8(), reader.raw(KEY_HASH_BYTES), reader.raw(SECRET_BYTES)
    tcp_port, udp_port, lifetime = reader.u16(), reader.u16(), reader.u16()
    candidates, dropped = _candidates(reader)
    label = reader.text8()
    made_for, dial_port = _appended(reader)
    return Offer(
        key_hash=key_hash,
        secret=secret,
        tcp_port=tcp_port,
        udp_port=udp_port,
        lifetime=lifetime,
        flow="post" if flags & _FLOW_POST else "pre",
        gives=bool(flags & _GIVES),
        takes=bool(flags & _TAKES),
        discoverable=bool(flags & _DISCOVERABLE),
        candidates=candidates,
        label=label,
        made_for=made_for,
        dial_port=dial_port,
        dropped=dropped,
    )


def _candidates(reader: Reader) -> tuple[tuple[OfferedAddress, ...], tuple[str, ...]]:
    count = reader.u8()
    if count > OFFER_CANDIDATES:
        raise _impossible(f"{count} addresses, at most {OFFER_CANDIDATES} are allowed")
    kept: dict[IPAddress, OfferedAddress] = {}
    dropped: list[str] = []
    for _ in range(count):
        offered = _candidate(reader)
        reason = _why_not(offered)
        if reason:
            dropped.append(f"{offered.address} was dropped: {reason}")
        elif offered.address in kept:
            dropped.append(f"{offered.address} was dropped: it stands there twice")
        else:
            kept[offered.address] = offered
    return tuple(kept.values()), tuple(dropped)


def _candidate(reader: Reader) -> OfferedAddress:
    kind = reader.u8()
    if kind <= 32:
        return OfferedAddress(IPv4Address(reader.raw(4)), kind)
    if _IPV6_KIND <= kind <= _IPV6_KIND + 128:
        return OfferedAddress(IPv6Address(reader.raw(16)), kind - _IPV6_KIND)
    raise WireError(f"unknown kind of address: {kind}")


def _why_not(offered: OfferedAddress) -> str:
    """Why ``offered`` is not to be dialled, or nothing. Whoever made the offer is still a stranger."""
    address, prefix = offered
    reason = why_never_dialled(address)
    if reason:
        return reason
    if address.version == 4 and prefix <= 30:
        subnet = subnet_of(address, prefix)
        if address in (subnet.network_address, subnet.broadcast_address):
            return f"it names the subnet {subnet} and no device"
    return ""


def _appended(reader: Reader) -> tuple[bytes | None, int]:
    """The instance that the offer is made for, and the dial port."""
    instance, dial_port = None, DIAL_PORTS.start
    while not reader.at_end():
        kind, value = reader.u8(), reader.bytes8()
        if kind == _TYPE_MADE_FOR:
            instance = value
        elif kind == _TYPE_DIAL_PORT:
            dial_port = Reader(value).u16()
        elif kind >= _FIRST_CRITICAL_TYPE:
            raise OfferError(
                f"the offer was made by a newer localpair (field {kind} is not understood)",
                hint="Update localpair on this device.",
            )
    return instance, dial_port
