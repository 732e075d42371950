"""Bytes as an offer's text and back: ``LP:``, then base32 (RFC 4648, 6) without padding, a CRC-32 at its end.

Upper-case base32 is what a QR code stores in alphanumeric mode, at 5.5 bits a character. Reading forgives
what copying, wrapping and quoting do to a text: case, white space, hyphens, marks and words around it.
"""

from __future__ import annotations

import re
from typing import Final

from localpair.errors import OfferError
from localpair.limits import OFFER_TEXT_CHARS
from localpair.wire.base32 import checked_bodies, spell_checked, words

PREFIX: Final = "LP:"
COPY_AGAIN: Final = "Copy the whole text again from the other device, from LP: to its last character."
_START: Final = re.compile(PREFIX, re.IGNORECASE | re.ASCII)


def wrap(body: bytes) -> str:
    """The text form of ``body``: prefix, base32 of the body and its CRC-32."""
    return PREFIX + spell_checked(body)


def unwrap(text: str) -> bytes:
    """The body of the one offer in ``text``, its checksum verified.

    Raises `OfferError` where there is none, more than one, or a damaged one.
    """
    if not text.strip():
        raise OfferError(
            "the offer is empty", hint="Paste the text that the other device shows. It starts with LP:"
        )
    if len(text) > OFFER_TEXT_CHARS:
        raise OfferError(
            f"the text is too long for an offer: {len(text)} characters, at most {OFFER_TEXT_CHARS} are read",
            hint="Paste the offer alone: the text that starts with LP:",
        )
    starts = [text[match.end() :] for match in _START.finditer(text)]
    if not starts:
        raise OfferError("the text is no offer: LP: is missing", hint=COPY_AGAIN)
    bodies = checked_bodies(starts)
    if len(bodies) > 1:
        raise OfferError(
            "the text holds more than one offer", hint="Paste only the one that is on the screen now."
        )
    if not bodies:
        raise _damaged(starts[-1])
    return bodies.pop()


def _damaged(text: str) -> OfferError:
    end = max((end for end, _ in words(text)), default=0)
    if text[end : end + 1] in {"0", "1", "8", "9"}:
        return OfferError(
            f"the offer is mistyped: a {text[end]} at character {end + 1} after LP: never occurs in one",
            hint="The letters O, I and B look like 0, 1 and 8. " + COPY_AGAIN,
        )
    return OfferError(
        "the offer is damaged: its checksum does not match, so a character is wrong or its end is missing",
        hint=COPY_AGAIN,
    )
