"""The demonstration: two devices in two network namespaces on one switch, or on loopback where namespaces are refused.

Both run the installed localpair. Nothing leaves this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from netns import Lan, why_no_namespaces

LOCALPAIR = [sys.executable, "-m", "localpair"]


class Teller:
    """Prints what a device says, line by line, under its name."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name, self.process = name, process
        self.offer = ""
        self.offered = threading.Event()
        self.threads = [
            threading.Thread(target=self._tell, args=(stream,)) for stream in (process.stdout, process.stderr)
        ]
        for thread in self.threads:
            thread.start()

    def _tell(self, stream: IO[str]) -> None:
        for line in stream:
            print(f"{self.name:>8} | {line.rstrip()}", flush=True)
            if line.startswith("LP:"):
                self.offer = line.strip()
                self.offered.set()
        self.offered.set()

    def end(self) -> int:
        code = self.process.wait(60)
        for thread in self.threads:
            thread.join()
        return code


def start(command: list[str], home: Path, where: Any) -> subprocess.Popen[str]:
    environment = {"LOCALPAIR_HOME": str(home), "COLUMNS": "100"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if where is None:
        return subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
    return where.popen(command, env=environment, **pipes)


def play(folder: Path, kitchen_at: Any, phone_at: Any) -> int:
    photo = folder / "holiday.jpg"
    photo.write_bytes(os.urandom(3_000_000))
    inbox = folder / "inbox"
    inbox.mkdir()
    kitchen = Teller(
        "kitchen",
        start(
            [*LOCALPAIR, "host", "--name", "kitchen", "--yes", "--send", str(photo), "--qr", "terminal"],
            folder / "a",
            kitchen_at,
        ),
    )
    kitchen.offered.wait(30)
    joining = start(
        [*LOCALPAIR, "join", "-", "--name", "phone", "--yes", "--receive", str(inbox)], folder / "b", phone_at
    )
    phone = Teller("phone", joining)
    joining.stdin.write(kitchen.offer + "\n")
    joining.stdin.close()
    codes = [phone.end(), kitchen.end()]
    same = (inbox / photo.name).exists() and (inbox / photo.name).read_bytes() == photo.read_bytes()
    print(f"\nexit codes {codes}; the file has arrived {'whole' if same else 'NOT'}")
    return 0 if same and codes == [0, 0] else 1


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="localpair-demo-") as folder:
        refused = why_no_namespaces()
        if refused:
            print(f"(on this machine's loopback interface: {refused})\n")
            return play(Path(folder), None, None)
        print("two network namespaces on one switch: kitchen 192.168.1.10, phone 192.168.1.20\n")
        with Lan(2) as lan:
            return play(Path(folder), lan.host(0), lan.host(1))


if __name__ == "__main__":
    sys.exit(main())
