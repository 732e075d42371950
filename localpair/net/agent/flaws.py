"""What was wrong with the peer that answered or called, from the error that ended its connection."""

from __future__ import annotations

from localpair.errors import (
    ForeignVersionError,
    LocalpairError,
    NoLocalpairError,
    PeerEndedError,
    Refusal,
    RefusedError,
    SameRoleError,
)
from localpair.events import Flaw, Phase
from localpair.protocol.keyring import StrangerError

# The first class that fits decides, so the narrow ones stand first.
_FLAWS: tuple[tuple[type[BaseException], Flaw], ...] = (
    (ForeignVersionError, Flaw.VERSION),
    (NoLocalpairError, Flaw.NO_LOCALPAIR),
    (SameRoleError, Flaw.SAME_ROLE),
    (StrangerError, Flaw.STRANGER),
    (RefusedError, Flaw.REFUSED),
    (PeerEndedError, Flaw.REFUSED),
    (LocalpairError, Flaw.PROTOCOL),
)
_KEYS = {Refusal.WRONG_KEY: Flaw.OTHER_KEY, Refusal.EXPIRED: Flaw.LATER_RUN}


def flaw_of(error: BaseException, phase: Phase) -> Flaw:
    """The flaw behind an error that ended a connection in this phase; none for errors of the system."""
    if phase is Phase.PIN and isinstance(error, RefusedError) and error.reason in _KEYS:
        return _KEYS[error.reason]
    return next((flaw for cls, flaw in _FLAWS if isinstance(error, cls)), Flaw.NONE)
