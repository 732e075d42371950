"""Shows the capture of one port while it grows: whole blocks of pcapng, one section, for programs that read a pipe.

A port whose interface came back has a further file; its packets go on where those of the file before ended.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO

from localpair_lab.fabric.traffic.pcapng import header_bytes, whole_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class GrowingCapture:
    """A capture file that somebody else writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self._is_begun = False

    def header(self) -> bytes:
        """Everything before the first packet; empty while that is not written."""
        self._rest += self._file.read()
        return self._rest[: header_bytes(self._rest)]

    def begins_with(self, header: bytes) -> bool:
        """Whether it is of the port whose captures have this header."""
        return self._is_begun or (header != b"" and self.header() == header)

    def blocks(self, *, with_header: bool) -> bytes:
        """What has been written since, up to the end of the last whole block."""
        self._rest += self._file.read()
        first = 0 if self._is_begun or with_header else header_bytes(self._rest)
        end = whole_bytes(self._rest)
        if end == 0:
            return b""
        self._is_begun = True
        shown, self._rest = self._rest[first:end], self._rest[end:]
        return shown


def follow(folder: Path, port: str, write: Callable[[bytes], object], wait: Callable[[], bool]) -> None:
    """Pass on what the captures of ``port`` hold, and what comes, until ``wait`` says no; then the last of it."""
    seen: dict[Path, GrowingCapture] = {}
    header, goes_on = b"", True
    with contextlib.ExitStack() as files:
        while goes_on:
            goes_on = wait()
            for path in capture_files(folder, port):
                if path not in seen:
                    seen[path] = GrowingCapture(files.enter_context(path.open("rb")))
                is_first = seen[path] is next(iter(seen.values()))
                header = header or seen[path].header()
                if seen[path].begins_with(header) and (data := seen[path].blocks(with_header=is_first)):
                    write(data)


def capture_files(folder: Path, port: str) -> list[Path]:
    """Where a port's captures are, in their order, where there are any."""
    name = port.replace("/", ".")
    later = {path: path.stem.removeprefix(f"{name}-") for path in folder.glob(f"{name}-*.pcapng")}
    numbered = sorted((int(number), path) for path, number in later.items() if number.isdecimal())
    first = folder / f"{name}.pcapng"
    return [path for path in (first, *(path for _, path in numbered)) if path.exists()]
