"""Bytes as letters that people copy: base32 (RFC 4648, 6) without padding, and what copying does to it forgiven."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CRC_BYTES: Final = 4
# Mail, chats and terminals put these into long words; nobody can be asked to remove invisible ones. A text beside its
# QR code in a terminal is copied with the blocks (U+2580 to U+259F) that the code is drawn with.
_IGNORED: Final = re.compile("[\\s\u2580-\u259f>\\-\u00ad\u200b\u2010\u2011\u2060\ufeff]+")
_TOKEN: Final = re.compile("[A-Z2-7]+", re.IGNORECASE | re.ASCII)


def spell(data: bytes) -> str:
    """``data`` in upper-case base32: what a QR code stores in alphanumeric mode, at 5.5 bits a character."""
    return b32encode(data).decode("ascii").rstrip("=")


def unspell(word: str) -> bytes | None:
    """What ``word`` spells, None where it spells nothing: each value has exactly one spelling."""
    try:
        data = b32decode(word + "=" * (-len(word) % 8))
    except ValueError:
        return None
    return data if spell(data) == word else None  # the unused bits of the last character are zero


def words(text: str) -> Iterator[tuple[int, str]]:
    """Every run of words from the start of ``text``: where it ends, and its letters joined and in upper case."""
    offset, joined = 0, ""
    while True:
        gap = _IGNORED.match(text, offset)
        token = _TOKEN.match(text, gap.end() if gap else offset)
        if token is None:
            return
        offset, joined = token.end(), joined + token.group().upper()
        yield offset, joined


def spelt(text: str) -> Iterator[bytes]:
    """What each run of words from the start of ``text`` spells, the longest first: what stands behind it is talk."""
    for _, word in reversed(list(words(text))):
        data = unspell(word)
        if data is not None:
            yield data


# --- With a checksum ---


def spell_checked(body: bytes) -> str:
    """``body`` and its CRC-32 as letters."""
    return spell(body + crc32(body).to_bytes(_CRC_BYTES, "big"))


def checked_bodies(starts: Iterable[str]) -> set[bytes]:
    """The different bodies whose checksum is right: of each text the longest one from its start."""
    return {next(filter(None, map(_checked, spelt(start))), b"") for start in starts} - {b""}


def _checked(data: bytes) -> bytes:
    """The body of ``data``; empty where its checksum is wrong."""
    body, check = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    return body if crc32(body).to_bytes(_CRC_BYTES, "big") == check else b""
