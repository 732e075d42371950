"""Messages of the handshake, of a call to oneself and of a confirmation; and the preamble before TLS.

Every message is one frame: its type and its body (``framing``). Bodies end with room for later fields: what
follows the known ones is ignored, except where a message says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, TypeAlias

from localpair.address import IPAddress
from localpair.errors import Refusal, WireError
from localpair.keys import BEACON_NONCE_BYTES, BEACON_TAG_BYTES, HASH_BYTES, Role
from localpair.limits import LABEL_BYTES, SELF_CODE_BYTES
from localpair.wire.beacon import INSTANCE_BYTES
from localpair.wire.codec import Reader, Writer

VERSION = 1
NONCE_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
VIA = ("", "offer", "multicast", "broadcast", "unicast", "tcp", "remembered", "answer")
"""How an address may have become known."""
_ROLES = (Role.ISSUER, Role.JOINER)


class CallKind(IntEnum):
    """What a TCP connection is for."""

    PAIR = 1  # the TLS role follows the pairing role
    SELF = 2  # to one's own listener; whoever accepted is the TLS server
    CONFIRM = 3  # a beacon over TCP; whoever accepted is the TLS server


@dataclass(frozen=True, slots=True)
class Preamble:
    """The first 8 bytes of each direction of every TCP connection, before TLS.

    It carries nothing secret: what the call is for, the sender's role (it decides who is the TLS server, since
    either side may have dialled), and whether the sender dialled. Two sides that both dialled opened one
    connection simultaneously.
    """

    kind: CallKind
    role: Role
    dialled: bool
    BYTES: ClassVar[int] = 8
    MAGIC: ClassVar[bytes] = b"LPAI"

    def encode(self) -> bytes:
        """The 8 bytes."""
        return self.MAGIC + bytes([VERSION, self.kind, _ROLES.index(self.role), self.dialled])

    @classmethod
    def decode(cls, data: bytes) -> Preamble:
        """Read 8 bytes. Raises WireError where it is not localpair that speaks, or another version of it."""
        if len(data) != cls.BYTES or not data.startswith(cls.MAGIC):
            raise WireError("whoever answers here does not speak localpair")
        version, kind, role, dialled = data[len(cls.MAGIC) :]
        if version != VERSION:
            raise WireError(f"the other side speaks version {version}; this side speaks {VERSION}")
        if kind not in (1, 2, 3) or role >= len(_ROLES) or dialled > 1:
            raise WireError("a preamble of unknown kind or role")
        return cls(CallKind(kind), _ROLES[role], bool(dialled))


@dataclass(frozen=True, slots=True)
class Hello:
    """Opens the handshake, both ways at once. Nothing in it identifies a device.

    ``key_nonce`` and ``key_tag`` let the other side find the secret that is meant; ``gives`` and ``takes`` say
    what the sender wants to do with the session; ``called`` is the receiver's address as the sender sees it, and
    ``via`` how the sender knew it where it dialled (one of ``VIA``; empty where it was dialled). ``resumes`` says
    that a session of these two processes is to go on here: its old connection is lost.
    """

    TYPE: ClassVar[int] = 1
    role: Role
    instance: bytes
    nonce: bytes
    key_nonce: bytes
    key_tag: bytes
    gives: bool
    takes: bool
    called: IPAddress
    via: str = ""
    resumes: bool = False

    def encode(self) -> bytes:
        """The body; it enters the transcript as it is."""
        writer = (
            Writer()
            .u8(VERSION)
            .u8(_ROLES.index(self.role))
            .u8(self.gives | self.takes << 1 | self.resumes << 2)
        )
        writer.raw(self.instance).raw(self.nonce).raw(self.key_nonce).raw(self.key_tag)
        return writer.address(self.called).u8(VIA.index(self.via)).done()

    @classmethod
    def decode(cls, body: bytes) -> Hello:
        """Read a body; raises WireError."""
        reader = Reader(body)
        version, role, flags = reader.u8(), reader.u8(), reader.u8()
        if version < VERSION or role >= len(_ROLES):
            raise WireError(f"a hello of version {version}, role {role}")
        instance, nonce = reader.raw(INSTANCE_BYTES), reader.raw(NONCE_BYTES)
        key_nonce, key_tag = reader.raw(BEACON_NONCE_BYTES), reader.raw(BEACON_TAG_BYTES)
        called, via = reader.address(), reader.u8()
        return cls(
            _ROLES[role], instance, nonce, key_nonce, key_tag, bool(flags & 1), bool(flags & 2), called,
            VIA[via] if via < len(VIA) else "", bool(flags & 4),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proof:
    """Shows that the sender holds the secret, over the transcript, in its role."""

    TYPE: ClassVar[int] = 2
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return self.proof

    @classmethod
    def decode(cls, body: bytes) -> Proof:
        """Read a body; raises WireError."""
        return cls(Reader(body).raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the sender is: its device key, a signature over the transcript, and the name it goes by.

    ``code`` is the issuer's commitment to its share of the short code, or the joiner's share; zeros between paired
    devices.
    """

    TYPE: ClassVar[int] = 3
    public_key: bytes
    signature: bytes = field(repr=False)
    code: bytes = field(repr=False)
    label: str = ""

    def encode(self) -> bytes:
        """The body."""
        return Writer().raw(self.public_key).raw(self.signature).raw(self.code).text8(self.label).done()

    @classmethod
    def decode(cls, body: bytes) -> Identity:
        """Read a body; raises WireError."""
        reader = Reader(body)
        key, signature = reader.raw(PUBLIC_KEY_BYTES), reader.raw(SIGNATURE_BYTES)
        code, label = reader.raw(HASH_BYTES), reader.text8()
        if len(label.encode()) > LABEL_BYTES:
            raise WireError("a device name that is too long")
        return cls(key, signature, code, label)


@dataclass(frozen=True, slots=True)
class Nominate:
    """The issuer's choice: this connection, and no other, becomes the session. ``code`` is the issuer's share of the
    short code, zeros between paired devices.
    """

    TYPE: ClassVar[int] = 4
    code: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return self.code

    @classmethod
    def decode(cls, body: bytes) -> Nominate:
        """Read a body; raises WireError."""
        return cls(Reader(body).raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Approve:
    """The sender's person agrees, or had nothing to agree to."""

    TYPE: ClassVar[int] = 5

    def encode(self) -> bytes:
        """The body: empty."""
        return b""

    @classmethod
    def decode(cls, body: bytes) -> Approve:
        """Read a body."""
        return cls()


@dataclass(frozen=True, slots=True)
class Commit:
    """The issuer asks the joiner to record the pair under this key. Repeating it changes nothing."""

    TYPE: ClassVar[int] = 6
    pair_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return self.pair_key

    @classmethod
    def decode(cls, body: bytes) -> Commit:
        """Read a body; raises WireError."""
        return cls(Reader(body).raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Recorded:
    """The sender has durably recorded what the last message asked for: joiner first, then issuer, then joiner."""

    TYPE: ClassVar[int] = 7

    def encode(self) -> bytes:
        """The body: empty."""
        return b""

    @classmethod
    def decode(cls, body: bytes) -> Recorded:
        """Read a body."""
        return cls()


@dataclass(frozen=True, slots=True)
class Refuse:
    """The sender ends this connection and says why. ``LOST`` is no refusal of the peer, only of this path."""

    TYPE: ClassVar[int] = 9
    reason: Refusal | None  # None: another connection of the same peer was nominated

    def encode(self) -> bytes:
        """The body."""
        return Writer().text8(self.reason or "lost").done()

    @classmethod
    def decode(cls, body: bytes) -> Refuse:
        """Read a body; an unknown reason reads as ``CANCELLED``. Raises WireError."""
        text = Reader(body).text8()
        if text == "lost":
            return cls(None)
        return cls(Refusal(text) if text in set(Refusal) else Refusal.CANCELLED)


@dataclass(frozen=True, slots=True)
class SelfCall:
    """A call to one's own listener: the random code it expects, and the address that was called."""

    TYPE: ClassVar[int] = 10
    code: bytes = field(repr=False)
    called: IPAddress

    def encode(self) -> bytes:
        """The body."""
        return Writer().raw(self.code).address(self.called).done()

    @classmethod
    def decode(cls, body: bytes) -> SelfCall:
        """Read a body; raises WireError."""
        reader = Reader(body)
        return cls(reader.raw(SELF_CODE_BYTES), reader.address())


@dataclass(frozen=True, slots=True)
class SelfAnswer:
    """The listener's answer: the hash of the code, so that only the called process can give it."""

    TYPE: ClassVar[int] = 11
    code_hash: bytes

    def encode(self) -> bytes:
        """The body."""
        return self.code_hash

    @classmethod
    def decode(cls, body: bytes) -> SelfAnswer:
        """Read a body; raises WireError."""
        return cls(Reader(body).raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class CarriedBeacon:
    """A whole beacon datagram, carried over TCP by a confirmation and by its answer."""

    TYPE: ClassVar[int] = 12
    datagram: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return self.datagram

    @classmethod
    def decode(cls, body: bytes) -> CarriedBeacon:
        """Read a body; the beacon in it is checked by whoever opens it."""
        return cls(body)


Message: TypeAlias = (
    Hello
    | Proof
    | Identity
    | Nominate
    | Approve
    | Commit
    | Recorded
    | Refuse
    | SelfCall
    | SelfAnswer
    | CarriedBeacon
)
_MESSAGES: tuple[type[Message], ...] = (
    Hello, Proof, Identity, Nominate, Approve, Commit, Recorded, Refuse, SelfCall, SelfAnswer, CarriedBeacon,
)  # fmt: skip
_BY_TYPE: dict[int, type[Message]] = {message.TYPE: message for message in _MESSAGES}


def decode_message(kind: int, body: bytes) -> Message:
    """The message of a frame. Raises WireError for an unknown type or a bad body."""
    if kind not in _BY_TYPE:
        raise WireError(f"unknown message type {kind}")
    return _BY_TYPE[kind].decode(body)
