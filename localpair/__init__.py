"""localpair: pair two devices on one local network whenever any path between them exists.

The public API is what ``__all__`` lists. Names are imported on first use, so that ``import localpair`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from localpair._version import __version__ as __version__

if TYPE_CHECKING:
    from localpair.candidate import Candidate, Evidence, Origin
    from localpair.choices.rules import Acceptance, DeviceRule
    from localpair.choices.selection import Links, PlannedEntry, Selection
    from localpair.choices.settings import (
        ApprovalRequest,
        Approver,
        Chooser,
        ReceiveApprover,
        ReceiveRequest,
        Settings,
    )
    from localpair.choices.terms import Existing, NameConflict, Resolver, Terms
    from localpair.diagnosis import Report, diagnose
    from localpair.errors import (
        AnswerError,
        LocalError,
        LocalpairError,
        OfferError,
        PeerEndedError,
        Refusal,
        RefusedError,
        RemoteError,
        StateError,
        TransferError,
        UnreachableError,
        UsageError,
        WireError,
    )
    from localpair.events import (
        AddressAttempt,
        AnswerIssued,
        Attempt,
        CodeShown,
        Direction,
        Event,
        NearbyPeer,
        OfferIssued,
        OwnAddressSeen,
        Paired,
        Path,
        Peer,
        PeerEnded,
        PeerFound,
        PeerGone,
        Phase,
        Progress,
        Ready,
        Receipt,
        Received,
        Reconnected,
        Resumed,
        SealedHeard,
        Sent,
        Skipped,
        Unchanged,
    )
    from localpair.net.agent.gathering import AddressReport
    from localpair.pairing.api import host, join, listen, reach
    from localpair.pairing.attempt import Pairing
    from localpair.pairing.discover import acquire_addresses, discover
    from localpair.pairing.host import Hosting
    from localpair.pairing.listen import Listening
    from localpair.session import Session
    from localpair.trace import tracing
    from localpair.transfer.folder.housekeeping import KeptPart, kept_parts, overdue_parts, remove_parts
    from localpair.transfer.pace import Pace
    from localpair.transfer.preview import preview_files
    from localpair.trust.file import DeviceRecord, DeviceState
    from localpair.trust.store import TrustStore
    from localpair.wire.offer import Offer

_WHERE = {
    "localpair.candidate": "Candidate Evidence Origin",
    "localpair.diagnosis": "Report diagnose",
    "localpair.errors": "AnswerError LocalError LocalpairError OfferError PeerEndedError Refusal RefusedError "
    "RemoteError StateError TransferError UnreachableError UsageError WireError",
    "localpair.events": "AddressAttempt AnswerIssued Attempt CodeShown Direction Event NearbyPeer OfferIssued "
    "OwnAddressSeen Paired Path Peer PeerEnded PeerFound PeerGone Phase Progress Ready Receipt Received Reconnected "
    "Resumed SealedHeard Sent Skipped Unchanged",
    "localpair.pairing.discover": "acquire_addresses discover",
    "localpair.pairing.host": "Hosting",
    "localpair.pairing.listen": "Listening",
    "localpair.net.agent.gathering": "AddressReport",
    "localpair.pairing.attempt": "Pairing",
    "localpair.pairing.api": "host join listen reach",
    "localpair.choices.rules": "Acceptance DeviceRule",
    "localpair.choices.selection": "Links PlannedEntry Selection",
    "localpair.session": "Session",
    "localpair.choices.settings": "ApprovalRequest Approver Chooser ReceiveApprover ReceiveRequest Settings",
    "localpair.choices.terms": "NameConflict Existing Resolver Terms",
    "localpair.trace": "tracing",
    "localpair.transfer.folder.housekeeping": "KeptPart kept_parts overdue_parts remove_parts",
    "localpair.transfer.pace": "Pace",
    "localpair.transfer.preview": "preview_files",
    "localpair.trust.store": "TrustStore",
    "localpair.trust.file": "DeviceRecord DeviceState",
    "localpair.wire.offer": "Offer",
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names.split()}

__all__ = [
    "Acceptance",
    "AddressAttempt",
    "AddressReport",
    "AnswerError",
    "AnswerIssued",
    "ApprovalRequest",
    "Approver",
    "Attempt",
    "Candidate",
    "Chooser",
    "CodeShown",
    "DeviceRecord",
    "DeviceRule",
    "DeviceState",
    "Direction",
    "Event",
    "Evidence",
    "Existing",
    "Hosting",
    "KeptPart",
    "Links",
    "Listening",
    "LocalError",
    "LocalpairError",
    "NameConflict",
    "NearbyPeer",
    "Offer",
    "OfferError",
    "OfferIssued",
    "Origin",
    "OwnAddressSeen",
    "Pace",
    "Paired",
    "Pairing",
    "Path",
    "Peer",
    "PeerEnded",
    "PeerEndedError",
    "PeerFound",
    "PeerGone",
    "Phase",
    "PlannedEntry",
    "Progress",
    "Ready",
    "Receipt",
    "ReceiveApprover",
    "ReceiveRequest",
    "Received",
    "Reconnected",
    "Refusal",
    "RefusedError",
    "RemoteError",
    "Report",
    "Resolver",
    "Resumed",
    "SealedHeard",
    "Selection",
    "Sent",
    "Session",
    "Settings",
    "Skipped",
    "StateError",
    "Terms",
    "TransferError",
    "TrustStore",
    "Unchanged",
    "UnreachableError",
    "UsageError",
    "WireError",
    "acquire_addresses",
    "diagnose",
    "discover",
    "host",
    "join",
    "kept_parts",
    "listen",
    "overdue_parts",
    "preview_files",
    "reach",
    "remove_parts",
    "tracing",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
