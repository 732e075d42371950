"""How devices in other containers come to the fabric: each says its name and hands over its network, and no more.

A device is not trusted. Its half of the conversation is one packet, a name beside the descriptor of a network
namespace; whatever else comes ends the connection. The fabric's half is one packet as well, once the network stands.
Then the door is shut for good, before the first program of a device begins.
"""

from __future__ import annotations

import array
import fcntl
import os
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.steps import FABRIC
from localpair_lab.fabric.system import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STANDS: Final = b"stands"  # and perhaps the number of a processor to keep to
KIND: Final = socket.SOCK_SEQPACKET  # packets are whole: nobody is waited for in the middle of one
_NAME: Final = re.compile(rb"[a-z][a-z0-9-]{0,31}")
LONGEST: Final = 64
_MOST_CALLERS: Final = 128  # that have not said who they are
_GET_KIND_OF_NAMESPACE: Final = 0xB703  # NS_GET_NSTYPE, ioctl_ns(2)


@dataclass(slots=True)
class NodeAdmission:
    """The door for devices: callers that have said nothing yet, and those that have come."""

    path: Path
    listener: socket.socket
    callers: list[socket.socket] = field(default_factory=list)
    networks: dict[str, int] = field(default_factory=dict)  # of devices that nobody has taken over yet
    _joined: dict[str, socket.socket] = field(default_factory=dict)

    def sockets(self) -> list[socket.socket]:
        """Those that ``hear`` wants to know about."""
        return [self.listener, *self.callers, *self._joined.values()]

    def hear(self, ready: Iterable[object]) -> None:
        """Attend to those of ``sockets`` that something has happened at."""
        for caller in [one for one in (*self.callers, *self._joined.values()) if one in ready]:
            self._hear(caller)
        if self.listener in ready:
            self._admit()

    def _admit(self) -> None:
        caller, _ = self.listener.accept()
        caller.setblocking(False)
        self.callers.append(caller)
        if len(self.callers) > _MOST_CALLERS:
            self._forget(self.callers[0])

    def _hear(self, caller: socket.socket) -> None:
        name, descriptors = _received(caller)
        fits = name and caller in self.callers and len(descriptors) == 1 and _is_network(descriptors[0])
        if not fits or name == FABRIC or name in self._joined:
            self._forget(caller)
            for descriptor in descriptors:
                os.close(descriptor)
            return
        self.callers.remove(caller)
        self._joined[name] = caller
        self.networks[name] = descriptors[0]

    def _forget(self, caller: socket.socket) -> None:
        if caller in self.callers:
            self.callers.remove(caller)
        for name in [name for name, one in self._joined.items() if one is caller]:
            del self._joined[name]  # it may come again: a container that was restarted
            if name in self.networks:
                os.close(self.networks.pop(name))
        caller.close()

    def take(self, names: Iterable[str]) -> dict[str, int]:
        """The networks of those devices that have come, which now are the caller's."""
        return {name: self.networks.pop(name) for name in names if name in self.networks}

    def shut(self, processor: int | None) -> None:
        """Tell every device that has come that the network stands, and hear nobody any more.

        ``processor`` is the one on which everything of this network runs.
        """
        word = STANDS if processor is None else b"%b %d" % (STANDS, processor)
        for caller in self._joined.values():
            try:
                caller.send(word)
            except OSError:  # a device that died says so elsewhere
                pass
        for one in self.sockets():
            one.close()
        for descriptor in self.networks.values():
            os.close(descriptor)
        self.path.unlink(missing_ok=True)


def _received(caller: socket.socket) -> tuple[str, list[int]]:
    """The name in the packet, empty where it holds none, and the descriptors beside it."""
    try:
        data, rights, flags, _ = caller.recvmsg(LONGEST, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return "", []
    found = array.array("i")
    for level, kind, words in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(words[: len(words) - len(words) % found.itemsize])
    is_cut = flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
    return data.decode() if _NAME.fullmatch(data) and not is_cut else "", list(found)


def _is_network(descriptor: int) -> bool:
    try:
        kind = fcntl.ioctl(descriptor, _GET_KIND_OF_NAMESPACE)
    except OSError:
        return False
    return kind == namespaces.NEW_NET
