"""How much the machine was in demand: what a bound on time is worth here (Linux, pressure stall information)."""

from __future__ import annotations

import time
from pathlib import Path

FILE = Path("/proc/pressure/cpu")


class Pressure:
    """From now on: the share of the time in which some program waited for a core."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._since, self._waited = time.monotonic(), self._read()

    def share(self) -> float:
        """0 to 1; 0 where the kernel does not tell."""
        elapsed = time.monotonic() - self._since
        return min(1.0, (self._read() - self._waited) / elapsed) if elapsed else 0.0

    def _read(self) -> float:
        """Seconds since the start of the machine. The line wanted is ``some avg10=... total=MICROSECONDS``."""
        try:
            line = self._file.read_text(encoding="ascii").partition("\n")[0]
        except OSError:
            return 0.0
        return int(line.rpartition("total=")[2]) / 1e6
