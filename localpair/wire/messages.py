"""Messages of the handshake, of a call to oneself and of a confirmation; and the preamble before TLS.

Every message is one frame: its type and its body (``framing``). Bodies end with room for later fields: what
follows the known ones is ignored, except where a message says otherwise.
"""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum
from typing import ClassVar, Final, TypeAlias

from localpair.address import IPAddress
from localpair.dataclass import dataclass
from localpair.errors import ForeignVersionError, NoLocalpairError, Refusal, WireError
from localpair.keys import HASH_BYTES, MAC_BYTES, Role
from localpair.limits import LABEL_BYTES, SELF_CODE_BYTES
from localpair.wire.beacon import INSTANCE_BYTES
from localpair.wire.codec import Reader, Writer

VERSION = 1
NONCE_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
VIA = ("", "offer", "multicast", "broadcast", "unicast", "tcp", "remembered", "answer")
"""How an address may have become known."""
REASONS: tuple[Refusal | None, ...] = (
    None, Refusal.WRONG_SECRET, Refusal.WRONG_KEY, Refusal.EXPIRED, Refusal.NOT_APPROVED, Refusal.ALREADY_CLAIMED,
    Refusal.OTHER_DEVICE, Refusal.REVOKED, Refusal.UNKNOWN_DEVICE, Refusal.VERSION, Refusal.SELF, Refusal.CANCELLED,
    Refusal.BUSY, Refusal.ENDED,
)  # fmt: skip
"""Why a connection may be refused, by number. None: it merely lost to another one of the same peer."""
_ROLES = (Role.ISSUER, Role.JOINER)


class CallKind(IntEnum):
    """What a TCP connection is for."""

    PAIR = 1  # the TLS role follows the pairing role
    SELF = 2  # to one's own listener; whoever accepted is the TLS server
    CONFIRM = 3  # a beacon over TCP; whoever accepted is the TLS server


NO_LOCALPAIR: Final = "whoever answers there does not speak localpair"


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
        """Read 8 bytes. Raises NoLocalpairError where it is not localpair that speaks, ForeignVersionError where it is
        another version of it, and WireError for anything else that is wrong.
        """
        if len(data) != cls.BYTES or not data.startswith(cls.MAGIC):
            raise NoLocalpairError(NO_LOCALPAIR)
        version, kind, role, dialled = data[len(cls.MAGIC) :]
        if version != VERSION:
            raise ForeignVersionError(f"the other side speaks version {version}; this side speaks {VERSION}")
        if kind not in (1, 2, 3) or role >= len(_ROLES) or dialled > 1:
            raise WireError("a preamble of unknown kind or role")
        return cls(CallKind(kind), _ROLES[role], bool(dialled))


@dataclass(frozen=True, slots=True)
class Hello:
    """Opens the handshake, the joiner's first. To whoever does not hold the secret it is random bytes.

    ``tag`` names the secret that is meant, for this connection and this sender's role only.
    """

    TYPE: ClassVar[int] = 1
    role: Role
    nonce: bytes
    tag: bytes

    def encode(self) -> bytes:
        """The body; it enters the transcript as it is."""
        return Writer().u8(VERSION).u8(_ROLES.index(self.role)).raw(self.nonce).raw(self.tag).done()

    @classmethod
    def decode(cls, body: bytes) -> Hello:
        """Read a body; raises WireError."""
        reader = Reader(body)
        version, role = reader.u8(), reader.u8()
        if version < VERSION or role >= len(_ROLES):
            raise WireError(f"a hello of version {version}, role {role}")
        return cls(_ROLES[role], reader.raw(NONCE_BYTES), reader.raw(MAC_BYTES))


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
class Claims:
    """What a side says of itself, under its signature, to a peer that has proven the secret.

    ``code`` is the issuer's commitment to its share of the short code, or the joiner's share; zeros between paired
    devices. ``gives`` and ``takes`` say what the sender wants to do with the session; ``called`` is the receiver's
    address as the sender sees it, and ``via`` how the sender knew it where it dialled (one of ``VIA``; empty where it
    was dialled). ``resumes`` says that a session of these two processes is to go on here: its old connection is lost.
    """

    code: bytes = field(repr=False)
    instance: bytes
    called: IPAddress
    gives: bool = False
    takes: bool = False
    via: str = ""
    resumes: bool = False
    label: str = ""
    BYTES: ClassVar[int] = HASH_BYTES + INSTANCE_BYTES + 1 + 17 + 1 + 1 + LABEL_BYTES

    def encode(self) -> bytes:
        """The claims, always BYTES long: no name is known by its length."""
        flags = self.gives | self.takes << 1 | self.resumes << 2
        writer = Writer().raw(self.code).raw(self.instance).u8(flags).address(self.called)
        return writer.u8(VIA.index(self.via)).text8(self.label).done().ljust(self.BYTES, b"\0")

    @classmethod
    def decode(cls, data: bytes) -> Claims:
        """Read claims; raises WireError."""
        reader = Reader(data)
        code, instance, flags = reader.raw(HASH_BYTES), reader.raw(INSTANCE_BYTES), reader.u8()
        called, via, label = reader.address(), reader.u8(), reader.text8()
        if len(label.encode()) > LABEL_BYTES:
            raise WireError("a device name that is too long")
        return cls(
            code, instance, called, bool(flags & 1), bool(flags & 2), VIA[via] if via < len(VIA) else "",
            bool(flags & 4), label,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the sender is: its device key, and its signature over the transcript and ``claims`` (see ``Claims``)."""

    TYPE: ClassVar[int] = 3
    public_key: bytes
    signature: bytes = field(repr=False)
    claims: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The body."""
        return self.public_key + self.signature + self.claims

    @classmethod
    def decode(cls, body: bytes) -> Identity:
        """Read a body; the claims in it are read once their signature holds. Raises WireError."""
        reader = Reader(body)
        return cls(reader.raw(PUBLIC_KEY_BYTES), reader.raw(SIGNATURE_BYTES), reader.rest())


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
    """The sender ends this connection and says why, by the number of the reason in ``REASONS``.

    ``mac`` shows that the sender holds the secret that the connection is about (``refusal_mac``). To a peer that has
    not shown as much the reason is WRONG_SECRET, whatever it is, and the mac is no more than as long as one.
    """

    TYPE: ClassVar[int] = 9
    code: int  # of REASONS
    mac: bytes = field(repr=False)

    @property
    def reason(self) -> Refusal | None:
        """Why; a number that is unknown here reads as ``CANCELLED``."""
        return REASONS[self.code] if self.code < len(REASONS) else Refusal.CANCELLED

    def encode(self) -> bytes:
        """The body."""
        return Writer().u8(self.code).raw(self.mac).done()

    @classmethod
    def decode(cls, body: bytes) -> Refuse:
        """Read a body; raises WireError."""
        reader = Reader(body)
        return cls(reader.u8(), reader.raw(MAC_BYTES))


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
NAMES = {kind: message.__name__ for kind, message in _BY_TYPE.items()}


def decode_message(kind: int, body: bytes) -> Message:
    """The message of a frame. Raises WireError for an unknown type or a bad body."""
    if kind not in _BY_TYPE:
        raise WireError(f"unknown message type {kind}")
    return _BY_TYPE[kind].decode(body)
