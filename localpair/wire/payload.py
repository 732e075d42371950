"""Messages of a session, types 32 to 63: what a frame's body means once two devices are paired.

Both directions use the same messages at the same time. Bodies end with room for later fields: what follows the
known ones is ignored. ``Data`` frames (`DATA`) have no body but the file's bytes and are never decoded here.
"""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum, IntFlag
from typing import ClassVar, Final, Self, TypeAlias, TypeVar

from localpair.dataclass import dataclass
from localpair.errors import WireError
from localpair.limits import REASON_BYTES
from localpair.names.labels import clean_label
from localpair.wire.codec import Reader, Writer
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.framing import Frame

DATA: Final = 43
SHA256_BYTES: Final = 32
TOKEN_BYTES: Final = 16
NO_SHA256: Final = bytes(SHA256_BYTES)  # of what has no contents


class SendPhase(IntEnum):
    """How far a batch of files is, at the side that sends it."""

    IDLE = 0
    OFFERED = 1  # waits until the receiver wants it
    OPEN = 2
    FINISHING = 3  # everything is settled, the receiver has not said so yet


class ReceivePhase(IntEnum):
    """How far a batch of files is, at the side that receives it."""

    IDLE = 0
    OFFERED = 1  # nobody wants it yet
    OPEN = 2
    STOPPED = 3  # this side wants no more of it
    CLOSED = 4  # everything has arrived and both sides know


class Kind(IntEnum):
    """What an entry of a batch is."""

    FILE = 0
    FOLDER = 1
    MISSING = 2  # the sender could not read it; ``Begin.reason`` says why
    CHECK = 3  # a question: what file is there under this name? Its bytes do not follow
    SAME = 4  # a file that is there already, which `CHECK` has told


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one entry at the receiver: stored under ``sha256``, or not, for a ``reason``; or something that
    stood under its name was ``left`` as it is, as the receiver wants it.
    """

    id: int
    sha256: bytes = NO_SHA256
    reason: str = ""
    left: bool = False

    @property
    def stored(self) -> bool:
        """Whether it stands under its final name, flushed to the disk."""
        return not (self.reason or self.left)

    def write(self, writer: Writer) -> None:
        """Append this result."""
        writer.u64(self.id).u8(self.left).raw(self.sha256).text8(clip(self.reason))

    @classmethod
    def read(cls, reader: Reader) -> Result:
        """Take one result."""
        number, left = reader.u64(), bool(reader.u8())
        return cls(number, reader.raw(SHA256_BYTES), _reason(reader), left)


@dataclass(frozen=True, slots=True)
class Partial:
    """A file of which the first ``offset`` bytes have arrived; ``sha256`` is theirs."""

    id: int
    offset: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class _Empty:
    """A message that is nothing but its type."""

    def encode(self) -> bytes:
        """The body, empty."""
        return b""

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read a body."""
        return cls()


@dataclass(frozen=True, slots=True)
class _OfBatch:
    """A message about a batch as a whole."""

    batch: int

    def encode(self) -> bytes:
        """The body."""
        return Writer().u32(self.batch).done()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read a body."""
        return cls(reader.u32())


@dataclass(frozen=True, slots=True)
class _EndOfBatch:
    """A message that ends a batch before its time."""

    batch: int
    reason: str

    def encode(self) -> bytes:
        """The body."""
        return Writer().u32(self.batch).text8(clip(self.reason)).done()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read a body."""
        return cls(reader.u32(), _reason(reader))


@dataclass(frozen=True, slots=True)
class Attach:
    """The first message on every connection of a session, both ways: who speaks and what it already has.

    ``own`` was drawn once for the session, ``peer`` is what the other side said before (empty the first time):
    a side that was started anew is told apart from one that lost its connection. ``next_id`` is the entry the
    receiver expects, ``results`` are those before it that the sender may not have heard of yet.
    """

    TYPE: ClassVar[int] = 32
    own: bytes
    peer: bytes
    messages: int  # sequence number of the last message received
    send_batch: int
    send_phase: SendPhase
    receive_batch: int
    receive_phase: ReceivePhase
    reason: str = ""  # why receiving was stopped
    next_id: int = 0
    partial: Partial | None = None
    results: tuple[Result, ...] = ()

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().bytes8(self.own).bytes8(self.peer).u64(self.messages)
        writer.u32(self.send_batch).u8(self.send_phase)
        writer.u32(self.receive_batch).u8(self.receive_phase).text8(clip(self.reason))
        writer.u64(self.next_id).u8(self.partial is not None)
        if self.partial is not None:
            writer.u64(self.partial.id).u64(self.partial.offset).raw(self.partial.sha256)
        writer.u16(len(self.results))
        for result in self.results:
            result.write(writer)
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Attach:
        """Read a body."""
        own, peer, messages = reader.bytes8(), reader.bytes8(), reader.u64()
        if len(own) != TOKEN_BYTES or len(peer) not in (0, TOKEN_BYTES):
            raise WireError("a session token of the wrong size")
        send_batch, send_phase = reader.u32(), _choice(SendPhase, reader.u8())
        receive_batch, receive_phase = reader.u32(), _choice(ReceivePhase, reader.u8())
        reason, next_id, partial = _reason(reader), reader.u64(), None
        if reader.u8():
            partial = Partial(reader.u64(), reader.u64(), reader.raw(SHA256_BYTES))
        results = tuple(Result.read(reader) for _ in range(reader.u16()))
        return cls(own, peer, messages, send_batch, send_phase, receive_batch, receive_phase, reason, next_id,
                   partial, results)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ping(_Empty):
    """Says that the sender is alive; nobody answers it."""

    TYPE: ClassVar[int] = 33


@dataclass(frozen=True, slots=True)
class Bye(_Empty):
    """The sender ends the session on purpose and sends nothing after this."""

    TYPE: ClassVar[int] = 34


@dataclass(frozen=True, slots=True)
class Note:
    """One message of the application, numbered from 1."""

    TYPE: ClassVar[int] = 35
    number: int
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return Writer().u64(self.number).raw(self.data).done()

    @classmethod
    def decode(cls, reader: Reader) -> Note:
        """Read a body."""
        return cls(reader.u64(), reader.rest())


@dataclass(frozen=True, slots=True)
class NoteAck:
    """All messages up to ``received`` have arrived, and the application has taken those up to ``taken``."""

    TYPE: ClassVar[int] = 36
    received: int
    taken: int

    def encode(self) -> bytes:
        """The body."""
        return Writer().u64(self.received).u64(self.taken).done()

    @classmethod
    def decode(cls, reader: Reader) -> NoteAck:
        """Read a body."""
        return cls(reader.u64(), reader.u64())


@dataclass(frozen=True, slots=True)
class Start:
    """The sender has a batch of files and waits until it is wanted.

    ``tops`` counts the files and folders at its root, ``names`` are the first of them.
    """

    TYPE: ClassVar[int] = 40
    batch: int
    tops: int = 0
    names: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u32(self.batch).u32(self.tops).u8(len(self.names))
        for name in self.names:
            writer.text16(name)
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Start:
        """Read a body. Names are unverified: they may hold anything."""
        batch, tops = reader.u32(), reader.u32()
        return cls(batch, tops, tuple(reader.text16() for _ in range(reader.u8())))


@dataclass(frozen=True, slots=True)
class Accept:
    """The receiver has a folder for the batch, and ``kept`` parts of files from earlier sessions with this sender.

    It ``compares`` where some of the batch may be there already: the sender does well to `Kind.CHECK`.
    """

    TYPE: ClassVar[int] = 41
    batch: int
    kept: tuple[Kept, ...] = ()
    compares: bool = False

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u32(self.batch).u16(len(self.kept))
        for kept in self.kept:
            kept.write(writer)
        return writer.u8(self.compares).done()

    @classmethod
    def decode(cls, reader: Reader) -> Accept:
        """Read a body."""
        batch, kept = reader.u32(), tuple(Kept.read(reader) for _ in range(reader.u16()))
        return cls(batch, kept, bool(reader.u8()))


@dataclass(frozen=True, slots=True)
class Ask:
    """The sender is about to send this file, of which the receiver has kept a part: what is in it?"""

    TYPE: ClassVar[int] = 52
    key: FileKey

    def encode(self) -> bytes:
        """The body."""
        writer = Writer()
        self.key.write(writer)
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Ask:
        """Read a body."""
        return cls(FileKey.read(reader))


@dataclass(frozen=True, slots=True)
class Have:
    """The answer to `Ask`: the part's length, 0 where there is none any more, and the checksum of all that is in it."""

    TYPE: ClassVar[int] = 53
    batch: int
    kept: Kept
    sha256: bytes

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u32(self.batch)
        self.kept.write(writer)
        return writer.raw(self.sha256).done()

    @classmethod
    def decode(cls, reader: Reader) -> Have:
        """Read a body."""
        return cls(reader.u32(), Kept.read(reader), reader.raw(SHA256_BYTES))


class Traits(IntFlag):
    """What a file is besides its bytes."""

    EXECUTABLE = 1
    HOLES = 2  # it takes less room than its bytes


PLAIN: Final = Traits(0)
ALL_TRAITS: Final = Traits.EXECUTABLE | Traits.HOLES
_U64: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Begin:
    """An entry of the batch. Ids count from 0 without a gap; a file's bytes follow in DATA frames, then `End`.

    ``parts`` is the path below the batch's root, outermost folder first. ``offset`` is where a file goes on of which
    the receiver has a part, else 0. ``mtime_ns`` counts from 1970 in UTC, backwards where it is negative.
    """

    TYPE: ClassVar[int] = 42
    id: int
    kind: Kind
    parts: tuple[str, ...]
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    reason: str = ""
    traits: Traits = PLAIN

    @property
    def key(self) -> FileKey:
        """What an earlier part of this very file is found by."""
        return FileKey.of(self.parts, self.size, self.mtime_ns)

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u64(self.id).u8(self.kind).u8(len(self.parts))
        for part in self.parts:
            writer.text16(part)
        after = max(self.mtime_ns, 0)
        writer.u64(self.size).u64(after).u64(self.offset).text8(clip(self.reason))
        if self.traits or self.mtime_ns < 0:
            writer.u8(self.traits).u64(min(after - self.mtime_ns, _U64))
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Begin:
        """Read a body. Names are unverified: they may hold anything, and be as many and as long as fit a frame."""
        number, kind = reader.u64(), _choice(Kind, reader.u8())
        parts = tuple(reader.text16() for _ in range(reader.u8()))
        if not parts:
            raise WireError("an entry without a name")
        size, mtime_ns, offset = reader.u64(), reader.u64(), reader.u64()
        reason, traits = _reason(reader), PLAIN
        if not reader.at_end():
            traits = Traits(reader.u8() & ALL_TRAITS)
            if not mtime_ns:
                mtime_ns = -reader.u64()
        return cls(number, kind, parts, size, mtime_ns, offset, reason, traits)


@dataclass(frozen=True, slots=True)
class End:
    """The file under way is complete; ``sha256`` is of all its bytes, as they were read."""

    TYPE: ClassVar[int] = 44
    id: int
    sha256: bytes

    def encode(self) -> bytes:
        """The body."""
        return Writer().u64(self.id).raw(self.sha256).done()

    @classmethod
    def decode(cls, reader: Reader) -> End:
        """Read a body."""
        return cls(reader.u64(), reader.raw(SHA256_BYTES))


@dataclass(frozen=True, slots=True)
class Abandon:
    """The file under way cannot be read to its end, or changed meanwhile; the next one follows."""

    TYPE: ClassVar[int] = 45
    id: int
    reason: str

    def encode(self) -> bytes:
        """The body."""
        return Writer().u64(self.id).text8(clip(self.reason)).done()

    @classmethod
    def decode(cls, reader: Reader) -> Abandon:
        """Read a body."""
        return cls(reader.u64(), _reason(reader))


@dataclass(frozen=True, slots=True)
class Total:
    """The sender has counted: ``files`` files of ``size`` bytes together, for progress and for a person to decide.

    ``tops`` counts the files and folders at the batch's root, ``names`` are the first of them.
    """

    TYPE: ClassVar[int] = 46
    files: int
    size: int
    tops: int = 0
    names: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u64(self.files).u64(self.size).u32(self.tops).u8(len(self.names))
        for name in self.names:
            writer.text16(name)
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Total:
        """Read a body. Names are unverified: they may hold anything."""
        files, size, tops = reader.u64(), reader.u64(), reader.u32()
        return cls(files, size, tops, tuple(reader.text16() for _ in range(reader.u8())))


@dataclass(frozen=True, slots=True)
class Finish(_OfBatch):
    """Every entry of the batch is settled and there are no more."""

    TYPE: ClassVar[int] = 47


@dataclass(frozen=True, slots=True)
class Closed(_OfBatch):
    """The receiver knows that the batch is finished."""

    TYPE: ClassVar[int] = 51


@dataclass(frozen=True, slots=True)
class Cancel(_EndOfBatch):
    """The sender sends no more of the batch; also the answer to `StopBatch`."""

    TYPE: ClassVar[int] = 48


@dataclass(frozen=True, slots=True)
class StopBatch(_EndOfBatch):
    """The receiver wants no more of the batch: a person cancelled, or the disk is full."""

    TYPE: ClassVar[int] = 50


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of some entries of a batch, in any order."""

    TYPE: ClassVar[int] = 49
    batch: int
    results: tuple[Result, ...]

    def encode(self) -> bytes:
        """The body."""
        writer = Writer().u32(self.batch).u16(len(self.results))
        for result in self.results:
            result.write(writer)
        return writer.done()

    @classmethod
    def decode(cls, reader: Reader) -> Settled:
        """Read a body."""
        return cls(reader.u32(), tuple(Result.read(reader) for _ in range(reader.u16())))


Payload: TypeAlias = (
    Attach | Ping | Bye | Note | NoteAck | Start | Accept | Begin | End | Abandon | Total
    | Finish | Closed | Cancel | StopBatch | Settled | Ask | Have
)  # fmt: skip

_TYPES: Final[dict[int, type[Payload]]] = {
    message.TYPE: message
    for message in (
        Attach, Ping, Bye, Note, NoteAck, Start, Accept, Begin, End, Abandon, Total,
        Finish, Closed, Cancel, StopBatch, Settled, Ask, Have,
    )
}  # fmt: skip
NAMES: Final = {DATA: "Data", **{kind: message.__name__ for kind, message in _TYPES.items()}}


def decode_payload(frame: Frame) -> Payload:
    """The message in ``frame``. Raises WireError for an unknown type or a body that makes no sense."""
    message = _TYPES.get(frame.type)
    if message is None:
        raise WireError(f"a frame of unknown type {frame.type} in a session")
    return message.decode(Reader(frame.body))


def clip(reason: str) -> str:
    """``reason`` cut to what a message carries; text that is no Unicode comes out as question marks."""
    return reason.encode(errors="replace")[:REASON_BYTES].decode(errors="ignore")


def _reason(reader: Reader) -> str:
    """What the peer gives as a reason: text for people, with nothing in it that moves a cursor or hides."""
    text = reader.text8()
    return clean_label(text, REASON_BYTES) if text else ""


_Choice = TypeVar("_Choice", bound=IntEnum)


def _choice(kind: type[_Choice], value: int) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise WireError(f"{value} is no {kind.__name__}") from None
