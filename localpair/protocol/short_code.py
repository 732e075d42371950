"""The short code that both screens show, made so that nobody in the middle can choose one that fits.

Each side is bound to its share before the other side shows its own (as in ZRTP and in Bluetooth's numeric
comparison)::

    issuer   IDENTITY   commitment = digest(certificate, issuer's key, issuer's nonce)
    joiner   IDENTITY   joiner's nonce
    issuer   NOMINATE   issuer's nonce, which has to fit the commitment

An offer has one code. The issuer's nonce lives as long as the offer's secret, the joiner's as long as its attempt,
and all their connections use the same: whoever was shown a share gets no other one by coming again, and may not
come again with another share of its own. So an offer is worth one guess in a million.

Sources: RFC 6189, 4.4.1 (ZRTP's hash commitment); Bluetooth Core, Vol 2, Part H, 7.2.1 (numeric comparison).
"""

from __future__ import annotations

import hmac

from localpair.dataclass import dataclass
from localpair.errors import Refusal, RefusedError
from localpair.keys import HASH_BYTES, digest

CODE_BYTES = 32
"""A share of the code, a commitment to one, or zeros where there is no code (between paired devices)."""
NO_CODE = bytes(CODE_BYTES)

assert CODE_BYTES == HASH_BYTES  # noqa: S101 - commitment and share take the same field


@dataclass(frozen=True, slots=True)
class PeerShare:
    """What the peer is bound to: its device key, and its nonce (the joiner) or its commitment (the issuer)."""

    public_key: bytes
    value: bytes


class CodeExchange:
    """This side's nonce for one offer, and what the peer bound itself to. Shared by all connections of the offer."""

    __slots__ = ("_peer", "nonce")

    def __init__(self, nonce: bytes) -> None:
        self.nonce = nonce
        self._peer: PeerShare | None = None

    def __repr__(self) -> str:
        return "<CodeExchange>"

    def commitment(self, certificate: bytes, issuer_key: bytes) -> bytes:
        """What the issuer sends in place of its nonce."""
        return code_commitment(certificate, issuer_key, self.nonce)

    def admits(self, share: PeerShare) -> bool:
        """Whether our nonce was shown to nobody yet, or to the holder of this very share."""
        return self._peer is None or self._peer == share

    def bind(self, share: PeerShare) -> None:
        """From now on our nonce is for this share only; call it before the nonce is sent.

        Raises RefusedError where it was for another one: somebody wants a second guess.
        """
        if not self.admits(share):
            raise RefusedError(
                Refusal.WRONG_KEY,
                "the other device came back with another share of the code: somebody may be in between",
                hint="start again on both devices, with a new offer",
            )
        self._peer = share


def code_commitment(certificate: bytes, issuer_key: bytes, nonce: bytes) -> bytes:
    """The issuer's commitment; ``certificate`` is the fingerprint of its TLS certificate."""
    return digest(b"localpair v1 code commitment", certificate, issuer_key, nonce)


def check_opening(commitment: bytes, certificate: bytes, issuer_key: bytes, nonce: bytes) -> None:
    """Raise RefusedError unless ``nonce`` is the one that the issuer committed itself to."""
    if not hmac.compare_digest(code_commitment(certificate, issuer_key, nonce), commitment):
        raise RefusedError(
            Refusal.WRONG_KEY,
            "the other device did not keep to its share of the code: somebody may be in between",
            hint="start again on both devices, with a new offer",
        )
