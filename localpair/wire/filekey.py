"""What tells one version of a file of one sender from all others, and how much of it a receiver has kept."""

from __future__ import annotations

import hashlib
from typing import Final, Self

from localpair.dataclass import dataclass
from localpair.wire.codec import Reader, Writer

PATH_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class FileKey:
    """A path, a size and a time of change: a file that changed has another key.

    ``path`` is the hash of the names, outermost folder first, as the sender calls them; ``mtime_ns`` counts from 1970
    in UTC.
    """

    path: bytes
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, parts: tuple[str, ...], size: int, mtime_ns: int) -> Self:
        """The key of the file that the sender calls ``parts``."""
        writer = Writer()
        for part in parts:
            writer.text16(part)
        return cls(hashlib.sha256(writer.done()).digest()[:PATH_BYTES], size, max(mtime_ns, 0))

    def write(self, writer: Writer) -> None:
        """Append this key."""
        writer.raw(self.path).u64(self.size).u64(self.mtime_ns)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Take one."""
        return cls(reader.raw(PATH_BYTES), reader.u64(), reader.u64())


@dataclass(frozen=True, slots=True)
class Kept:
    """The receiver has kept the first ``offset`` bytes of a file, of an earlier session with the same sender."""

    key: FileKey
    offset: int

    def write(self, writer: Writer) -> None:
        """Append this."""
        self.key.write(writer)
        writer.u64(self.offset)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Take one."""
        return cls(FileKey.read(reader), reader.u64())
