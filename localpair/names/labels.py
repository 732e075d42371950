"""Names that people gave to devices: what is kept of them before they are stored or shown.

A label is a claim of the peer. It is never an identity, and nothing in it may move a cursor, change the
direction of the text around it or hide.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

from localpair.limits import LABEL_BYTES
from localpair.names.visible import belongs, in_context, is_hidden

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

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

    Joiners and variation selectors that compose an emoji or choose a form of a letter are left out: the parts remain.
    Joiners that are seen, as Persian and the scripts of India have them, stay. Cleaning twice changes nothing more. The
    result may be empty.
    """
    # Each character that stays counts at least one byte, and at most two behind it are left out: nothing behind this
    # cut could stay.
    composed = unicodedata.normalize("NFC", text[: 4 * limit])
    # What has been left out may have kept a letter and a mark apart.
    visible = unicodedata.normalize("NFC", "".join(_visible(*one) for one in in_context(composed)))
    folded = " ".join(visible.split())
    # At the end a non-joiner has nothing to keep apart.
    return folded.encode()[:limit].decode(errors="ignore").rstrip(" \u200c")


def _visible(before: str, character: str, behind: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    if not is_hidden(before, character, behind):
        return character
    return "" if belongs(before, character, behind) else _REPLACEMENT
