"""What happens while two devices pair, as frozen values. The command line prints them; a program matches on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path as FilePath
from typing import TypeAlias

from localpair.address import IPAddress
from localpair.candidate import Candidate, Evidence, Origin
from localpair.causes.vocabulary import Explanation, RunVerdict
from localpair.dataclass import dataclass
from localpair.limits import RECEIPT_FILES


class Phase(StrEnum):
    """How far an attempt at one address got before it ended."""

    BIND = "bind"
    CONNECT = "connect"
    PREAMBLE = "preamble"
    TLS = "tls"
    PIN = "pin"
    HELLO = "hello"
    PROOF = "proof"
    NOMINATION = "nomination"
    APPROVAL = "approval"
    COMMIT = "commit"


class Flaw(StrEnum):
    """Why a connection that stood came to nothing, where no error number tells."""

    NONE = ""
    VERSION = "version"  # a localpair of another version
    NO_LOCALPAIR = "no-localpair"  # something else answers
    SAME_ROLE = "same-role"  # both sides show an offer, or both have read one
    OTHER_KEY = "other-key"  # its key is not the offer's
    STRANGER = "stranger"  # it holds no secret of ours
    REFUSED = "refused"  # one side said no; the refusals tell why
    PROTOCOL = "protocol"  # it broke the protocol in another way
    LATER_RUN = "later-run"  # the device that made the offer, with another offer


class Direction(StrEnum):
    """Who opened the TCP connection, seen from this side."""

    IN = "in"
    OUT = "out"
    SIMULTANEOUS = "simultaneous"


@dataclass(frozen=True, slots=True)
class Path:
    """The way a session runs: both ends as address and port, who dialled, and what made the peer known.

    ``carrier`` says how whoever dialled knew the address: ``offer``, ``answer``, ``multicast``, ``broadcast``,
    ``unicast``, ``tcp`` or ``remembered``; both sides name the same one.
    """

    local: str
    remote: str
    direction: Direction
    carrier: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A device that proved who it is. ``device_id`` is the hash of its long-term key; ``label`` is the name that it
    has here, else its claim."""

    device_id: str
    label: str


@dataclass(frozen=True, slots=True)
class NearbyPeer:
    """A device heard by discovery, not authenticated: a hint to choose from and nothing more.

    ``alias`` is two words made of the instance nonce, the same on both screens. ``label`` is set only where its
    owner asked for a name to be sent.
    """

    instance: str  # hex of the per-process nonce
    alias: str
    role: str  # host | join | listen | send
    tcp_port: int
    addresses: tuple[Candidate, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """Listening on TCP ``tcp_port`` and UDP ``udp_port``; ``addresses`` are one's own candidates, best first.
    ``called``, in flow post: what others are shown for this device, the announced name or else its alias.
    """

    tcp_port: int
    udp_port: int
    addresses: tuple[Candidate, ...]
    called: str = ""


@dataclass(frozen=True, slots=True)
class OfferIssued:
    """A new offer to show. ``text`` holds the secret: show it to the person, log it nowhere."""

    text: str = field(repr=False)
    expires_in: float  # seconds


@dataclass(frozen=True, slots=True)
class AnswerIssued:
    """An answer code to show: where the issuer can call this side, for a person to carry to the other device.

    ``text`` is no secret; an earlier one names addresses that this side no longer has. ``expires_in`` is the
    longest time, in seconds, for which the other device can take it.
    """

    text: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class AddressAttempt:
    """One try at finding an own address: stage 1 to 3, with what came of it. ``ms`` is its duration."""

    stage: int
    address: IPAddress | None
    interface: str | None
    outcome: str  # confirmed | failed | dropped
    reason: str
    ms: float
    cls: str | None = None  # the address's class
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class PeerFound:
    """Discovery heard a peer for the first time, or learnt more about it."""

    peer: NearbyPeer
    heard: bool = True  # we hear it
    hears_us: bool = False  # it told us that it hears us


@dataclass(frozen=True, slots=True)
class SealedHeard:
    """Somebody near holds a secret that this side does not: a pair listens or sends, or an offer is out.

    Whoever looks around is told so once, and nothing more can be told: not who, how many or where.
    """


@dataclass(frozen=True, slots=True)
class OwnAddressSeen:
    """A peer told us at which of our addresses it sees us, and how it knows."""

    address: IPAddress
    evidence: Evidence
    by: str  # the peer's address as we see it


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one address of the peer, ended. ``outcome`` is ``ok``, ``lost`` (another one won) or ``failed``.

    ``flaw`` says what was wrong with the program that answered, where ``errno`` does not.
    """

    candidate: Candidate
    direction: Direction
    phase: Phase
    outcome: str
    ms: float
    errno: str = ""  # symbolic, such as ECONNREFUSED; empty where the system gave none
    detail: str = ""
    flaw: Flaw = Flaw.NONE


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A connection that another device opened came to nothing. ``reach`` says how far it came: ``accepted``,
    ``stranger`` (it holds no secret of ours), ``known``, ``encrypted`` or ``verified``; ``why`` is an error number's
    name, a `Refusal`, or a `Flaw`. Told once for each source, reach and reason.
    """

    source: IPAddress
    reach: str
    why: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What the facts of the run come to: causes where no pair came about, notes in any case. Told before a run fails,
    and after a pair where there are notes. ``facts`` is the record itself, as plain values (``causes.codec``);
    ``claimed`` that of the other device, as it has told it, None where it has told none. ``report`` is the report code
    of this side, empty where the other one has been told, or has nothing to add.
    """

    verdict: RunVerdict
    facts: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    claimed: Mapping[str, object] | None = field(default=None, repr=False, compare=False)
    report: str = field(default="", repr=False, compare=False)

    @property
    def is_claimed(self) -> bool:
        """Whether the verdict heeds what the other device says of itself."""
        return self.claimed is not None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is tried while nobody is met, in a sentence or two, and the best explanation that has come to rest so far.
    Told whenever one of them changes. ``left_s``: seconds until the run gives up, where it is told.
    ``text`` is empty when the waiting is over: a device is met, or the run ends.
    """

    text: str
    explanation: Explanation | None = None
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class CodeShown:
    """The peer is known, and it has to agree; ``code`` is the same on both sides. Emitted where this side need not
    agree or has done so; where it has to, it gets the same in an ``ApprovalRequest``. Whether a person is asked there,
    or something else answers, the peer does not tell. ``direction`` is seen from here.
    ``again``: this side has approved that device, under this name, and it has come on another connection.
    """

    peer: Peer
    code: str
    direction: str
    path: Path
    again: bool = False


@dataclass(frozen=True, slots=True)
class PeerGone:
    """The connection to a device ended while a person was asked about it; it may come again. Told once a device."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class PeerEnded:
    """A run that has read this side's offer says that it ends, and there is no pair. ``instance`` and ``alias`` are
    those of `NearbyPeer`. The offer works on; where its code was shown there, a new one follows.
    """

    instance: str
    alias: str


@dataclass(frozen=True, slots=True)
class Paired:
    """Both sides have recorded the pair, or have met again.

    ``elapsed_ms`` is how long the devices took, without the time in which persons were asked: whoever joins counts
    from when it has the offer, whoever reaches from its start, and whoever waits (host, listen) from the first sign
    of the other one: a beacon of its that holds the secret, or its connection.
    """

    peer: Peer
    path: Path
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Payload under way. ``total`` is None until all of it is counted; bytes include what a resume skipped."""

    direction: str  # send | receive
    file: str
    bytes: int
    total: int | None
    files: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """A file goes on where its transfer had stopped: the other side has the first ``bytes`` of it already, verified."""

    direction: str  # send | receive
    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file was not sent: under this name the receiver has one of the same size and checksum already."""

    direction: str  # send | receive
    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something was left out, and that is no failure.

    ``reason``: ``existing`` (the receiver keeps what stands under its name), ``excluded`` (it is not in the sender's
    `Selection`), ``link`` (inside a folder), ``special`` (a pipe, a socket or a device) or ``part`` (of a file that is
    being received).
    """

    direction: str  # send | receive
    file: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The peer has stored this file and confirmed its checksum."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Received:
    """A file arrived whole, under this final name. ``sha256`` is in hex."""

    path: FilePath
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one ``receive_files`` came to. ``first`` are the first RECEIPT_FILES files: each is told by `Received`."""

    files: int = 0
    bytes: int = 0
    first: tuple[Received, ...] = ()

    def and_one(self, received: Received) -> Receipt:
        """The same with one file more."""
        first = self.first if self.files >= RECEIPT_FILES else (*self.first, received)
        return Receipt(self.files + 1, self.bytes + received.bytes, first)


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The connection broke and the same pair continues over a new path."""

    path: Path


Event: TypeAlias = (
    Ready
    | OfferIssued
    | AnswerIssued
    | AddressAttempt
    | PeerFound
    | SealedHeard
    | OwnAddressSeen
    | Attempt
    | CallFailed
    | Judged
    | Waiting
    | CodeShown
    | PeerGone
    | PeerEnded
    | Paired
    | Progress
    | Resumed
    | Unchanged
    | Skipped
    | Sent
    | Received
    | Reconnected
)

__all__ = [
    "AddressAttempt",
    "AnswerIssued",
    "Attempt",
    "CodeShown",
    "Direction",
    "Event",
    "FilePath",
    "NearbyPeer",
    "OfferIssued",
    "Origin",
    "OwnAddressSeen",
    "Paired",
    "Path",
    "Peer",
    "PeerEnded",
    "PeerFound",
    "PeerGone",
    "Phase",
    "Progress",
    "Ready",
    "Receipt",
    "Received",
    "Reconnected",
    "Resumed",
    "SealedHeard",
    "Sent",
    "Skipped",
    "Unchanged",
]
