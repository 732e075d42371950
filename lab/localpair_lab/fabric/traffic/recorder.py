"""What a fabric shows of itself: captures of its ports, and the state of every place in words."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from localpair_lab.fabric.steps import FABRIC
from localpair_lab.fabric.system import channel, children, tools
from localpair_lab.fabric.traffic import capture

if TYPE_CHECKING:
    from localpair_lab.fabric.system.places import Places

_LOOKS: Final = (
    ("ip", "-d", "address"),
    ("ip", "route", "show", "table", "all"),
    ("ip", "-6", "route", "show", "table", "all"),
    ("ip", "rule"),
    ("ip", "neigh"),
    ("ip", "maddress"),
    ("nft", "list", "ruleset"),
)
_FABRIC_LOOKS: Final = (("bridge", "-d", "link"), ("bridge", "mdb"), ("bridge", "fdb"))
_TIMEOUT_S: Final = 5.0


class Recorder:
    """Captures and looks of one fabric."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._control: socket.socket | None = None
        self._process = 0
        self._folder = ""
        self._ports: dict[str, tuple[str, str]] = {}

    def begin(self, message: dict[str, Any]) -> dict[str, Any]:
        """Capture ``ports`` (name of the port -> its place and the link there) into files of ``folder``."""
        self._folder = message["folder"]
        control = self._control or self._start(Path(self._folder))
        for port, (place, link) in message["ports"].items():
            self._tap(control, port, place, link)
            self._ports[port] = (place, link)
        return {}

    def again(self) -> dict[str, Any]:
        """After ``stop``: capture what there still is of the ports, into further files."""
        if self._control is None and self._folder:
            control = self._start(Path(self._folder))
            for port, (place, link) in self._ports.items():
                with contextlib.suppress(OSError, KeyError):  # an interface that is gone
                    self._tap(control, port, place, link)
        return {}

    def _tap(self, control: socket.socket, port: str, place: str, link: str) -> None:
        with self._places.inside(place):
            tap = capture.open_tap(socket.if_indextoname(self._places.channel(place).index(link)))
        channel.ask(control, {"do": "tap", "port": port, "inner": place != FABRIC}, [tap.fileno()])
        tap.close()

    def stop(self) -> dict[str, Any]:
        """Write everything out; the files are complete when this returns."""
        if self._control is not None:
            channel.ask(self._control, {"do": "stop"})
            self._control.close()
            children.end(self._process)
            self._control = None
        return {}

    def _start(self, folder: Path) -> socket.socket:
        folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()

        def open_file(port: str) -> BinaryIO:
            name = port.replace("/", ".")
            taken = [folder / f"{name}.pcapng", *folder.glob(f"{name}-[0-9]*.pcapng")]
            known = sum(path.exists() for path in taken)  # an interface that came back gets a file of its own
            path = folder / (f"{name}-{known + 1}.pcapng" if known else f"{name}.pcapng")
            return path.open("wb", buffering=capture.BUFFER_BYTES)

        def work() -> None:
            ours.close()
            capture.run(theirs, open_file)

        self._process = children.fork(work, what="capture")
        theirs.close()
        self._control = ours
        return ours

    def look(self) -> dict[str, Any]:
        """The state of every place, as the usual tools show it where they are installed."""
        return {"looks": {place: self._look(place) for place in self._places.names()}}

    def _look(self, place: str) -> str:
        commands = (*_LOOKS, *_FABRIC_LOOKS) if place == FABRIC else _LOOKS
        return "\n".join(self._shown(place, command) for command in commands if tools.find(command[0]))

    def _shown(self, place: str, command: tuple[str, ...]) -> str:
        with self._places.inside(place):
            argv = [tools.find(command[0]), *command[1:]]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        return f"$ {' '.join(command)}\n{done.stdout}{done.stderr}"
