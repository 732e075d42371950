"""What the lab asks inside a device, as one of the device's own programs.

    python inside.py listens tcp 5000          writes ``ready`` once something of the device listens there
    python inside.py checksums FILE...         writes a line for each: its SHA-256, or ``none``

One file on the standard library alone, so that it runs wherever a Python is.
"""

from __future__ import annotations

import hashlib
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LISTENING = {"tcp": "0A", "udp": "07"}  # the states in /proc/net/tcp and udp: LISTEN, and bound
TURN_S = 0.02  # the kernel tells nobody when a port is taken
BLOCK = 1 << 20


def listens(protocol: str, port: int) -> None:
    """Return once something listens at that port, on any address."""
    while port not in set(_ports(protocol)):
        time.sleep(TURN_S)


def _ports(protocol: str) -> Iterator[int]:
    for table in (protocol, f"{protocol}6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _, local, _, state, *_ = line.split()
            if state == LISTENING[protocol]:
                yield int(local.rpartition(":")[2], 16)


def checksum(path: Path) -> str:
    """Of a plain file, in small parts; ``none`` where there is no such file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "none"
        with path.open("rb") as file:
            found = hashlib.sha256()
            while block := file.read(BLOCK):
                found.update(block)
    except OSError:
        return "none"
    return found.hexdigest()


def main(words: list[str]) -> int:
    """Run the command; 2 for one that there is not."""
    match words:
        case ["listens", protocol, port]:
            listens(protocol, int(port))
            print("ready", flush=True)  # noqa: T201 - this is the program's output
        case ["checksums", *paths]:
            for path in paths:
                print(checksum(Path(path)), flush=True)  # noqa: T201 - as above
        case _:
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
