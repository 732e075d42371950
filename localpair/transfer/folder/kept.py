"""Parts that outlive their session: what one is called, which stand in a folder, and which of them have to go.

The name says everything: whose file it is a part of, which version of which, and the beginning of what that is called.

    .localpair-SENDER-PATH-SIZE-MTIME-NAME.kept

SENDER is a hash of the sender's device id, PATH the hash of the path as the sender calls it; SIZE and MTIME are those
of the whole file. Another device, another path or another version is another name, so that only the same sender with
the same file ever finds it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from localpair.dataclass import dataclass
from localpair.limits import KEPT_BYTES, KEPT_PARTS, KEPT_S, KEPT_SHOWN_BYTES
from localpair.protocol.transfer.filenames import PART_PREFIX
from localpair.transfer.folder.parts import is_own
from localpair.wire.filekey import PATH_BYTES, FileKey

KEPT_SUFFIX: Final = ".kept"
_MARK: Final = "user.localpair.sender"
_SENDER_BYTES: Final = 12
_KEPT: Final = re.compile(
    rf"{re.escape(PART_PREFIX)}([0-9a-f]{{{2 * _SENDER_BYTES}}})-([0-9a-f]{{{2 * PATH_BYTES}}})"
    rf"-([0-9a-f]{{1,16}})-([0-9a-f]{{1,16}})-(.*){re.escape(KEPT_SUFFIX)}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class KeptPart:
    """One that stands: ``bytes`` of ``key.size`` are there, the last of them since ``changed`` (seconds from 1970)."""

    name: str
    sender: str
    key: FileKey
    shown: str
    bytes: int
    changed: float

    def is_from(self, device_id: str) -> bool:
        """Whether this device has sent it."""
        return self.sender == sender_mark(device_id)


def sender_mark(device_id: str) -> str:
    """What stands for a device in the names of its parts."""
    return hashlib.sha256(device_id.encode()).digest()[:_SENDER_BYTES].hex()


def set_mark(folder: int, sender: str) -> None:
    """Have an open folder say for whom it was made. Raises OSError where the file system keeps no such thing."""
    if sys.platform == "linux":
        os.setxattr(folder, _MARK, sender.encode())


def has_mark(folder: int, sender: str) -> bool:
    """Whether an open folder says that it was made for ``sender``. Raises OSError where it says nothing."""
    return sys.platform == "linux" and os.getxattr(folder, _MARK) == sender.encode()


def kept_name(sender: str, key: FileKey, shown: str) -> str:
    """The name of a part of the file ``key``, which is called ``shown`` here."""
    cut = shown.encode()[:KEPT_SHOWN_BYTES].decode(errors="ignore")
    return f"{PART_PREFIX}{sender}-{key.path.hex()}-{key.size:x}-{key.mtime_ns:x}-{cut}{KEPT_SUFFIX}"


def is_kept_name(name: str) -> bool:
    """Whether a kept part may be called so."""
    return _KEPT.fullmatch(name) is not None


def kept_parts(entries: Iterable[os.DirEntry[str]]) -> list[KeptPart]:
    """Those among ``entries``, the latest first: files of this user alone."""
    found: list[KeptPart] = []
    for entry in entries:
        match = _KEPT.fullmatch(entry.name)
        if match is None:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # it is gone
            continue
        if stat.S_ISREG(status.st_mode) and is_own(status):
            sender, path, size, mtime_ns, shown = match.groups()
            key = FileKey(bytes.fromhex(path), int(size, 16), int(mtime_ns, 16))
            # A whole one has its sender's time of change already, and that may be any.
            found.append(KeptPart(entry.name, sender, key, shown, status.st_size, status.st_ctime))
    return sorted(found, key=lambda part: (-part.changed, part.name))


def overdue(parts: Sequence[KeptPart], now: float) -> list[KeptPart]:
    """Those that are too old or too many, or that take too much room; ``parts`` stand the latest first."""
    going: list[KeptPart] = []
    count = size = 0
    for part in parts:
        is_beyond = count and (count >= KEPT_PARTS or size + part.bytes > KEPT_BYTES)
        if now - part.changed > KEPT_S or is_beyond:
            going.append(part)
        else:
            count, size = count + 1, size + part.bytes
    return going
