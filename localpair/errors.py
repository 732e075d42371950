"""Every error that leaves localpair, and whose fault it is.

    LocalpairError
    ├── LocalError              our own side: a port, a disk, a permission          exit 1
    │   └── StateError          a key file or the trust store cannot be used
    ├── UsageError              the caller asked for something impossible           exit 2
    │   ├── OfferError          a text or picture that is no readable offer
    │   └── AnswerError         a text that is no answer code to the offer that is shown
    ├── UnreachableError        no path led to the peer within the bound            exit 3
    │   └── PeerEndedError      the peer said that it ends
    ├── RefusedError            a peer was reached and one side said no             exit 4
    ├── RemoteError             the peer broke the protocol                         exit 4
    │   └── WireError           bytes that are no message of ours
    │       ├── ForeignVersionError, NoLocalpairError, SameRoleError
    └── TransferError           paired, and the payload did not arrive              exit 5

Messages say what happened; ``hint`` says what to do about it. Neither ever holds a secret.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class LocalpairError(Exception):
    """Base of every error that localpair raises on purpose.

    ``hint`` is one sentence for the person: what to do next; ``why`` is the evidence for what the message says.
    ``exit_code`` is what the command line ends with.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, why: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.why = why


class LocalError(LocalpairError):
    """Our own side failed: a port that is taken, a full disk, a missing permission."""


class PortError(LocalError):
    """No port is to be had: the last one that was tried, and what the system said (``EADDRINUSE``)."""

    def __init__(
        self, message: str, protocol: str, port: int, errno: str, *, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.protocol, self.port, self.errno = protocol, port, errno


class StateError(LocalError):
    """A key file or the trust store cannot be read or written. Nothing was overwritten."""


class UsageError(LocalpairError):
    """The request itself is wrong, before anything was tried."""

    exit_code = 2


class OfferError(UsageError):
    """A text, a picture or an environment variable that holds no readable offer."""


class AnswerError(UsageError):
    """A text that is no answer code to the offer that is shown. The host goes on."""


class UnreachableError(LocalpairError):
    """No path led to the peer within the bound. The attempts that failed are kept by the caller."""

    exit_code = 3


class PeerEndedError(UnreachableError):
    """The peer said that it ends, before there was a pair."""


class Refusal(StrEnum):
    """Why a reached peer and this side did not become a pair."""

    WRONG_SECRET = "wrong-secret"  # noqa: S105 - the name of a reason, not a secret
    WRONG_KEY = "wrong-key"
    EXPIRED = "expired"
    NOT_APPROVED = "not-approved"
    ALREADY_CLAIMED = "already-claimed"
    OTHER_DEVICE = "other-device"
    REVOKED = "revoked"
    UNKNOWN_DEVICE = "unknown-device"
    VERSION = "version"
    SELF = "self"
    CANCELLED = "cancelled"
    BUSY = "busy"
    ENDED = "ended"  # its run ends; the side that hears it raises PeerEndedError


class RefusedError(LocalpairError):
    """A peer was reached, and one of the two sides refused; ``reason`` says why."""

    exit_code = 4

    def __init__(self, reason: Refusal, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class RemoteError(LocalpairError):
    """The peer did something the protocol does not allow."""

    exit_code = 4


class WireError(RemoteError):
    """Bytes that are no message of ours: truncated, oversized, unknown or inconsistent."""


class ForeignVersionError(WireError):
    """Said by a localpair that speaks another version."""


class NoLocalpairError(WireError):
    """Said by something that is no localpair, such as a login page."""


class SameRoleError(WireError):
    """Both sides do the same: both show an offer, or both have read one."""


class TransferError(LocalpairError):
    """The pair stands, and the payload did not arrive whole."""

    exit_code = 5
