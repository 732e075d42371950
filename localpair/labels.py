"""Names that people gave to devices: what is kept of them before they are stored or shown.

A label is a claim of the peer. It is never an identity, and nothing in it may move a cursor, change the
direction of the text around it or hide.
"""

from __future__ import annotations

import unicodedata

from localpair.limits import LABEL_BYTES

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Cc control, Cf format (bidirectional marks, zero width), Cs lone surrogates, Co private use, Cn unassigned.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_label(text: str, limit: int = LABEL_BYTES) -> str:
    """``text`` in NFC, hidden characters replaced by U+FFFD, blanks folded, cut to ``limit`` bytes of UTF-8.

    Cleaning twice changes nothing more. The result may be empty.
    """
    # Each character counts at least one byte, so nothing behind this cut could stay.
    composed = unicodedata.normalize("NFC", text[: 4 * limit])
    visible = "".join(_visible(character) for character in composed)
    folded = " ".join(visible.split())
    return folded.encode()[:limit].decode(errors="ignore").rstrip()


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return _REPLACEMENT if category in _HIDDEN else character
