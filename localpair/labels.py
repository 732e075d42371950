"""Names that people gave to devices: what is kept of them before they are stored or shown.

A label is a claim of the peer. It is never an identity, and nothing in it may move a cursor, change the
direction of the text around it or hide.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

from localpair.limits import LABEL_BYTES

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Cc control, Cf format (bidirectional marks, zero width), Cs lone surrogates, Co private use, Cn unassigned.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# What a device calls itself whose owner gave it no name: the same for all of its kind, and so no identifier.
_GENERAL: Final = {
    "linux": "Linux device",
    "darwin": "Mac",
    "win32": "Windows PC",
    "android": "Android device",
    "ios": "iOS device",
}
_ANY: Final = "device"


def general_name(platform: str = sys.platform) -> str:
    """The kind of this device in a word or two."""
    return _GENERAL.get(platform, _ANY)


def better_label(new: str, known: str) -> str:
    """The label to keep of a device: a name that somebody gave it gives way to another such name only."""
    general = not new or new in {*_GENERAL.values(), _ANY}
    return known if general and known else new


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
