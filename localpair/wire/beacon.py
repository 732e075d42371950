"""Beacons: the one message of discovery, the same on every carrier.

A datagram of exactly BEACON_BYTES::

    "LP" | version u8 | mode u8 | nonce 12 | tag 8 | body + seal

In mode ``SEALED`` (flow pre, reconnect) the body is encrypted and authenticated with a key derived from the
shared secret, and the tag lets its holders recognise it. In mode ``OPEN`` (flow post) nonce and tag are random
and the body stands in clear: an anonymous hint. Equal sizes mean that no answer is larger than its question.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from localpair.address import IPAddress
from localpair.dataclass import dataclass
from localpair.errors import ForeignVersionError, WireError
from localpair.keys import BEACON_NONCE_BYTES, BEACON_TAG_BYTES, SEAL_OVERHEAD_BYTES
from localpair.limits import (
    BEACON_ADDRESSES,
    BEACON_BYTES,
    BEACON_HEARS,
    FACTS_CHUNK_BYTES,
    FACTS_COMPACT_BYTES,
    OFFER_LABEL_BYTES,
    SIMULTANEOUS_DIALS,
)
from localpair.wire.codec import Reader, Writer

MAGIC = b"LP"
VERSION = 1
INSTANCE_BYTES = 16
HEARD_BYTES = 8  # of an instance, to name it to itself
_HEADER_BYTES = len(MAGIC) + 2
BODY_BYTES = BEACON_BYTES - _HEADER_BYTES - BEACON_NONCE_BYTES - BEACON_TAG_BYTES - SEAL_OVERHEAD_BYTES


class Mode(IntEnum):
    """How the body is protected."""

    OPEN = 0
    SEALED = 1


class BeaconKind(IntEnum):
    """What the beacon does. Unknown kinds are ignored, so that later versions can add some."""

    ANNOUNCE = 1  # the regular beat
    ANSWER = 2  # to somebody just heard; never answered itself
    GOODBYE = 3
    CONFIRM = 4  # over TCP: "I reached you at the called address; here is what I know of myself"
    CONFIRMED = 5  # over TCP: the answer to it
    RENDEZVOUS = 6  # sealed only: both sides agree on the moment at which they dial each other
    FACTS = 7  # sealed only: why nothing comes of it, as far as the sender has seen; or the question for it


class Part(StrEnum):
    """What the sender does, as far as its peer must know."""

    HOST = "host"
    JOIN = "join"
    DISCOVER = "discover"
    LISTEN = "listen"
    SEND = "send"


_PARTS = (Part.HOST, Part.JOIN, Part.DISCOVER, Part.LISTEN, Part.SEND)


@dataclass(frozen=True, slots=True)
class Seen:
    """An address and port at which the sender sees the receiver."""

    address: IPAddress
    port: int


class RendezvousStep(IntEnum):
    """The words of a rendezvous, in their order. The issuer calls; the joiner may ask it to."""

    ASK = 0
    CALL = 1
    READY = 2
    GO = 3


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """One word of a rendezvous. ``ports`` are those that the sender will dial from, in this round's order.

    Times are microseconds of the joiner's clock, which starts with its process. READY is said ``at`` that time,
    ``took`` microseconds after the call had come; GO names the moment ``at`` which both dial.
    """

    step: RendezvousStep
    round: int = 0
    ports: tuple[int, ...] = ()
    at: int = 0
    took: int = 0


FACTS_TOKEN_BYTES = 8
FACTS_PARTS = -(-FACTS_COMPACT_BYTES // FACTS_CHUNK_BYTES)
NO_TOKEN = bytes(FACTS_TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class FactsPart:
    """A part of a record of facts, or a question for one, or both. ``question``: the sender wants one that names this
    token. ``answers``: the receiver's question, which this is for; NO_TOKEN where it is a question and nothing else.
    """

    question: bytes = NO_TOKEN
    answers: bytes = NO_TOKEN
    part: int = 0
    parts: int = 0
    chunk: bytes = b""


@dataclass(frozen=True, slots=True)
class Beacon:
    """One announcement. ``addresses`` are claims, best first; the packet's source is evidence, and not in here.

    ``sequence`` grows with every beat of an instance: what falls behind is a replay. ``beat_ms`` is the time to the
    next beat at most. ``seen`` tells the receiver where it is seen; ``called`` names the receiver's address that a
    TCP confirmation dialled. ``dial_port`` is the TCP port that this side dials from and never listens on, so that
    two closed firewalls can open for each other; 0 where there is none. ``rendezvous`` is there in a beacon of that
    kind and in no other, and so is ``facts``.

    Between paired devices ``run`` grows with every run of the sender, and ``hears`` holds the beginnings of those
    instances of the receiver that it has heard lately. To anybody else these would tell one device from another, and
    so they are 0 and empty.
    """

    kind: BeaconKind
    part: Part
    instance: bytes
    sequence: int
    tcp_port: int
    udp_port: int
    dial_port: int = 0
    beat_ms: int = 1000
    addresses: tuple[IPAddress, ...] = ()
    seen: Seen | None = None
    called: IPAddress | None = None
    label: str = ""
    rendezvous: Rendezvous | None = None
    run: int = 0
    hears: tuple[bytes, ...] = ()
    facts: FactsPart | None = None

    @property
    def number(self) -> int:
        """Grows with every beacon of a device, through all its runs."""
        return self.run << 32 | self.sequence

    def encode(self) -> bytes:
        """The body, padded with zeros to BODY_BYTES."""
        writer = Writer().u8(self.kind).u8(_PARTS.index(self.part)).raw(self.instance)
        writer.u32(self.run).u32(self.sequence)
        writer.u16(self.tcp_port).u16(self.udp_port).u16(self.dial_port).u16(self.beat_ms)
        writer.u8(len(self.addresses))
        for address in self.addresses:
            writer.address(address)
        writer.u8(len(self.hears)).raw(b"".join(self.hears))
        writer.u8((self.seen is not None) | (self.called is not None) << 1)
        if self.seen is not None:
            writer.address(self.seen.address).u16(self.seen.port)
        if self.called is not None:
            writer.address(self.called)
        writer.text8(self.label)
        if self.rendezvous is not None:
            _write_rendezvous(writer, self.rendezvous)
        if self.facts is not None:
            _write_facts(writer, self.facts)
        return writer.done().ljust(BODY_BYTES, b"\0")

    @classmethod
    def decode(cls, body: bytes) -> Beacon:
        """Read a body. What follows the known fields is padding or a later version's: it is not looked at.

        Raises WireError.
        """
        reader = Reader(body)
        kind, part = _kind(reader.u8()), _part(reader.u8())
        instance, run, sequence = reader.raw(INSTANCE_BYTES), reader.u32(), reader.u32()
        tcp_port, udp_port, dial_port, beat_ms = reader.u16(), reader.u16(), reader.u16(), reader.u16()
        count = reader.u8()
        if count > BEACON_ADDRESSES:
            raise WireError(f"a beacon with {count} addresses; at most {BEACON_ADDRESSES} are allowed")
        addresses = tuple(reader.address() for _ in range(count))
        hears = _read_hears(reader)
        present = reader.u8()
        seen = Seen(reader.address(), reader.u16()) if present & 1 else None
        called = reader.address() if present & 2 else None
        label = reader.text8()
        if len(label.encode()) > OFFER_LABEL_BYTES:
            raise WireError("a beacon with a label that is too long")
        rendezvous = _read_rendezvous(reader) if kind is BeaconKind.RENDEZVOUS else None
        facts = _read_facts(reader) if kind is BeaconKind.FACTS else None
        return cls(
            kind,
            part,
            instance,
            sequence,
            tcp_port,
            udp_port,
            dial_port,
            beat_ms,
            addresses,
            seen,
            called,
            label,
            rendezvous,
            run,
            hears,
            facts,
        )


@dataclass(frozen=True, slots=True)
class Envelope:
    """A datagram of ours before its body is opened. ``unverified`` until a key has opened it."""

    mode: Mode
    nonce: bytes
    tag: bytes
    unverified: bytes

    @property
    def header(self) -> bytes:
        """What the seal covers besides the body."""
        return MAGIC + bytes([VERSION, self.mode]) + self.nonce + self.tag

    def encode(self) -> bytes:
        """The datagram."""
        return self.header + self.unverified

    @classmethod
    def decode(cls, datagram: bytes) -> Envelope:
        """Read a datagram's frame. Raises WireError; ``ForeignVersionError`` for a localpair of another version."""
        reader = Reader(datagram)
        if reader.raw(len(MAGIC)) != MAGIC:
            raise WireError("not a beacon")
        version, mode = reader.u8(), reader.u8()
        if version != VERSION:
            raise ForeignVersionError(f"a beacon of version {version}; this side speaks {VERSION}")
        if len(datagram) != BEACON_BYTES or mode not in (Mode.OPEN, Mode.SEALED):
            raise WireError("a beacon of the wrong size or mode")
        return cls(Mode(mode), reader.raw(BEACON_NONCE_BYTES), reader.raw(BEACON_TAG_BYTES), reader.rest())


def _read_hears(reader: Reader) -> tuple[bytes, ...]:
    count = reader.u8()
    if count > BEACON_HEARS:
        raise WireError(f"a beacon that hears {count} instances; at most {BEACON_HEARS} are allowed")
    return tuple(reader.raw(HEARD_BYTES) for _ in range(count))


def _write_rendezvous(writer: Writer, message: Rendezvous) -> None:
    writer.u8(message.step).u8(message.round).u64(message.at).u32(message.took).u8(len(message.ports))
    for port in message.ports:
        writer.u16(port)


def _read_rendezvous(reader: Reader) -> Rendezvous:
    step, number, at, took, count = reader.u8(), reader.u8(), reader.u64(), reader.u32(), reader.u8()
    if step > RendezvousStep.GO or count > SIMULTANEOUS_DIALS:
        raise WireError(f"a rendezvous with the step {step} and {count} ports")
    return Rendezvous(RendezvousStep(step), number, tuple(reader.u16() for _ in range(count)), at, took)


def _write_facts(writer: Writer, facts: FactsPart) -> None:
    writer.raw(facts.question).raw(facts.answers).u8(facts.part).u8(facts.parts).bytes8(facts.chunk)


def _read_facts(reader: Reader) -> FactsPart:
    question, answers = reader.raw(FACTS_TOKEN_BYTES), reader.raw(FACTS_TOKEN_BYTES)
    part, parts, chunk = reader.u8(), reader.u8(), reader.bytes8()
    if parts > FACTS_PARTS or part >= max(1, parts) or len(chunk) > FACTS_CHUNK_BYTES:
        raise WireError(f"part {part} of {parts} of facts, with {len(chunk)} bytes")
    return FactsPart(question, answers, part, parts, chunk)


def _kind(value: int) -> BeaconKind:
    try:
        return BeaconKind(value)
    except ValueError:
        raise WireError(f"unknown beacon kind {value}") from None


def _part(value: int) -> Part:
    if value >= len(_PARTS):
        raise WireError(f"unknown beacon part {value}")
    return _PARTS[value]
