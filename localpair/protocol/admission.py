"""Who calls with a secret of ours: shown before TLS, so that a stranger's call costs next to nothing.

    caller                                   called
      preamble         ------------------>
                       <------------------     preamble, challenge
      response         ------------------>                      nonce, tag(caller's preamble, challenge, nonce)

To all others challenge and response are random bytes. They are good for one connection: a recorded response opens
nothing, and whoever poses challenges learns nothing by the answers. It decides about places and time only; who the
peer is, the handshake inside TLS finds out.
"""

from __future__ import annotations

from dataclasses import field

from localpair.dataclass import dataclass
from localpair.keys import MAC_BYTES, SharedSecret
from localpair.wire.messages import Preamble

CHALLENGE_BYTES = 16
RESPONSE_NONCE_BYTES = 16
RESPONSE_BYTES = RESPONSE_NONCE_BYTES + MAC_BYTES


def respond(secret: SharedSecret, preamble: Preamble, challenge: bytes, nonce: bytes) -> bytes:
    """The response of a caller that holds ``secret``; ``nonce`` (RESPONSE_NONCE_BYTES) is random and used once."""
    return nonce + secret.call_tag(preamble.encode(), challenge, nonce)


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller has said before TLS, and the challenge that it was given."""

    preamble: Preamble
    challenge: bytes
    response: bytes = field(repr=False)

    def shows(self, secret: SharedSecret) -> bool:
        """Whether the caller holds this secret, as its other side."""
        nonce, tag = self.response[:RESPONSE_NONCE_BYTES], self.response[RESPONSE_NONCE_BYTES:]
        return secret.is_call_tag(self.preamble.encode(), self.challenge, nonce, tag)
