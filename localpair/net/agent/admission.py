"""Showing that a call comes from a holder of a secret, and telling which calls do."""

from __future__ import annotations

from dataclasses import field

from localpair.dataclass import dataclass
from localpair.keys import Purpose, Role, SharedSecret, random_bytes
from localpair.net.transport.tcp import Responder, respond_as_stranger
from localpair.protocol.admission import RESPONSE_NONCE_BYTES, Call, respond
from localpair.protocol.keyring import Keyring
from localpair.wire.messages import CallKind, Preamble


def _with_ourselves() -> dict[Role, SharedSecret]:
    """Both sides of a secret that nobody else has."""
    material = random_bytes(32)
    return {side: SharedSecret(material, Purpose.PAIR, side) for side in Role}


@dataclass(frozen=True, slots=True)
class CallAdmission:
    """The secrets of a process, and one with itself by which it knows its calls to its own listener."""

    keyring: Keyring
    _own: dict[Role, SharedSecret] = field(default_factory=_with_ourselves)

    def responder(self, secret: str | None) -> Responder:
        """What meets challenges with the secret of that name; random bytes where there is none, or no more."""

        def meet(preamble: Preamble, challenge: bytes) -> bytes:
            if secret is None or secret not in self.keyring:
                return respond_as_stranger(preamble, challenge)
            return respond(self.keyring[secret], preamble, challenge, random_bytes(RESPONSE_NONCE_BYTES))

        return meet

    def meet_own(self, preamble: Preamble, challenge: bytes) -> bytes:
        """Meet the challenge in a call to ourselves."""
        return respond(self._own[Role.JOINER], preamble, challenge, random_bytes(RESPONSE_NONCE_BYTES))

    def knows(self, call: Call) -> bool:
        """Whether a secret of ours is held by the caller, or by nobody but ourselves in a call to ourselves.

        Every secret is tried: the time that it takes says nothing.
        """
        if call.preamble.kind is CallKind.SELF:
            return call.shows(self._own[Role.ISSUER])
        shown = [name for name in self.keyring if call.shows(self.keyring[name])]
        return bool(shown)
