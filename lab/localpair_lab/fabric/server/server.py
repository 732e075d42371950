"""The one program that builds networks: takes steps, probes and captures by channel and carries them out.

It runs as a child of the namespace engine, or as the main process of Compose's ``fabric`` service; the
standard library is all it needs, and ``nft`` for steps with rules. Every message is a dictionary with
``do``; every answer has
``ok`` or ``error``. See ``Server.answer`` for the words.
"""

from __future__ import annotations

import dataclasses
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localpair_lab.fabric.server import features, init
from localpair_lab.fabric.server.apply import Applier
from localpair_lab.fabric.server.node_files import EtcFiles
from localpair_lab.fabric.steps import FABRIC, decode
from localpair_lab.fabric.system import channel, children, namespaces, processor
from localpair_lab.fabric.system.isolation import private_root
from localpair_lab.fabric.system.isolation.account import Account, accounts
from localpair_lab.fabric.system.places import Places
from localpair_lab.fabric.system.settle import settle
from localpair_lab.fabric.traffic import canary
from localpair_lab.fabric.traffic.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localpair_lab.fabric.server.admission import NodeAdmission
    from localpair_lab.fabric.system.channel import Message


class RequestRefusedError(Exception):
    """A request that cannot be carried out; the text is for the lab's user."""


@dataclass(slots=True)
class Server:
    """The fabric's loop: one thread, many channels, a few timers.

    It obeys its ``owner`` and whoever comes to the ``listener``. Devices of other containers come by the ``admission``.
    """

    owner: socket.socket | None = None
    listener: socket.socket | None = None
    admission: NodeAdmission | None = None
    places: Places = field(default_factory=Places)
    applier: Applier = field(init=False)
    recorder: Recorder = field(init=False)
    connections: list[socket.socket] = field(default_factory=list)
    waiting: list[tuple[socket.socket, set[str]]] = field(default_factory=list)
    curious: list[socket.socket] = field(default_factory=list)
    outcome: Message | None = None
    kept_to: int | None = None  # the one processor on which everything of this network runs
    accounts: Iterator[Account] = field(default_factory=lambda: accounts(os.getpid()))
    root: int | None = None  # the mount namespace that nodes' own are made of
    is_guest: bool = False  # the network we stand in is the engine's own, and has the ports already

    def __post_init__(self) -> None:
        if self.is_guest:
            self.places.adopt(FABRIC, namespaces.open_network())
        else:
            self.places.create(FABRIC)
        self.applier = Applier(self.places)
        self.recorder = Recorder(self.places)
        if self.owner is not None:
            self.connections.append(self.owner)

    def run(self) -> None:
        """Serve until the owner hangs up (for ever without one)."""
        while True:
            listeners = [self.listener] if self.listener else []
            doors = self.admission.sockets() if self.admission else []
            ready, _, _ = select.select(
                [*listeners, *doors, *self.connections], [], [], self.applier.seconds_to_next()
            )
            self.applier.run_timers(time.monotonic())
            if self.listener in ready and self.listener is not None:
                self.connections.append(self.listener.accept()[0])
            if self.admission is not None:
                self.admission.hear(ready)
                self._answer_waiting()
            for connection in [one for one in self.connections if one in ready]:
                # One answer may hang up on others.
                if connection in self.connections and not self._serve(connection):
                    return

    def _serve(self, connection: socket.socket) -> bool:
        try:
            message, descriptors = channel.receive(connection)
            self._reply(connection, message)
            for descriptor in descriptors:
                os.close(descriptor)
        except channel.ChannelClosedError:
            self._hang_up(connection)
            return connection is not self.owner
        return bool(message["do"] != "end")

    def _reply(self, connection: socket.socket, message: Message) -> None:
        passed: list[int] = []
        try:
            if message["do"] in {"await", "stood"}:
                getattr(self, f"_{message['do']}")(connection, message)
                return
            answer = self.answer(message, passed)
        except (OSError, RequestRefusedError, KeyError, ValueError) as error:
            answer = {
                "error": f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
            }
        channel.send(connection, {"ok": "error" not in answer, **answer}, passed)
        for descriptor in passed:
            os.close(descriptor)

    def _hang_up(self, connection: socket.socket) -> None:
        connection.close()
        for group in (self.connections, self.curious):
            if connection in group:
                group.remove(connection)
        self.waiting = [(one, names) for one, names in self.waiting if one is not connection]

    def answer(self, message: Message, passed: list[int]) -> Message:
        """Carry out one request. Descriptors appended to ``passed`` travel with the answer."""
        words: dict[str, Callable[[], Message]] = {
            "keep-order": self._keep_order,
            "root": lambda: self._make_root(message),
            "hold": lambda: self._hold(message, passed),
            "apply": lambda: self._apply(message),
            "stand": lambda: self._stand(message),
            "settle": lambda: settle(self.places, message),
            "capture": lambda: self.recorder.begin(message),
            "stop-capture": self.recorder.stop,
            "capture-again": self.recorder.again,
            "look": self.recorder.look,
            "leases": lambda: {"held": self.applier.leases.held()},
            "probe": lambda: {"trials": features.run()},
            "release": self._release,
            "end": dict,
        }
        if message["do"] not in words:
            raise RequestRefusedError(f"the fabric knows no word {message['do']!r}")
        return words[message["do"]]()

    def _keep_order(self) -> Message:
        """From now on all that the fabric starts, and every device, sends on one processor: said before ``hold``."""
        self.kept_to = processor.keep_to_one()
        return {}

    def _stand(self, project: Message) -> Message:
        """Build a whole network: steps, canary, captures, and what starts only then. Kept for ``stood``."""
        try:
            self._apply({"steps": project["steps"]})
            settle(self.places, project["settle"])
            arrived = canary.run(self.places, project["probes"])
            if self.applier.rest():  # nothing of the canary's is counted or captured
                canary.forget(self.places, project["probes"])  # programs carry packets later than kernels
            self.recorder.begin(project["capture"])
            self._apply({"steps": project["begin"]})
            self.outcome = {"ok": True, "arrived": arrived}
        except (OSError, RequestRefusedError, KeyError) as error:
            self.outcome = {"ok": False, "error": str(error)}
        for connection in self.curious:
            channel.send(connection, self.outcome)
        self.curious.clear()
        return self.outcome

    def _stood(self, connection: socket.socket, _: Message) -> None:
        """Answered with the outcome of ``stand``, when there is one."""
        if self.outcome is None:
            self.curious.append(connection)
        else:
            channel.send(connection, self.outcome)

    def _apply(self, message: Message) -> Message:
        for data in message["steps"]:
            step = decode(data)
            try:
                self.applier.apply(step)
            except (OSError, KeyError) as error:
                raise RequestRefusedError(f"{step.text.splitlines()[0]}: {error}") from error
        return {}

    def _make_root(self, message: Message) -> Message:
        """The root of all nodes, said once and before ``hold``."""
        self.root = private_root.make(message["folders"], for_others=not next(self.accounts).is_mapped)
        return {}

    def _hold(self, message: Message, passed: list[int]) -> Message:
        if self.root is None:
            raise RequestRefusedError("nodes have no root yet")
        account = next(self.accounts)
        etc_files, root = EtcFiles(message["node"], message["hosts"], message["resolver"]), self.root
        ours, theirs = socket.socketpair()
        listening, ready = os.pipe()
        pid = children.fork_first_of_own(lambda: init.hold(etc_files, account, root, theirs, ready))
        theirs.close()
        os.close(ready)
        said = os.read(listening, 4096)
        os.close(listening)
        if said != b"+":
            raise RequestRefusedError(
                f"node {message['node']} did not start: {said.decode(errors='replace') or 'it died'}"
            )
        self.places.adopt(message["node"], os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        passed.append(ours.detach())
        return {"pid": pid, "account": dataclasses.asdict(account)}

    def _await(self, connection: socket.socket, message: Message) -> None:
        """Answered once devices of these names have come; nobody else is let in."""
        self.waiting.append((connection, set(message["nodes"])))
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        awaited: set[str] = set().union(*(names for _, names in self.waiting))
        for name, network in (self.admission.take(awaited) if self.admission else {}).items():
            self.places.adopt(name, network)
        present = set(self.places.names())
        for connection, names in self.waiting:
            if names <= present:
                channel.send(connection, {"ok": True})
        self.waiting = [(connection, names) for connection, names in self.waiting if not names <= present]

    def _release(self) -> Message:
        if self.admission is not None:
            self.admission.shut(self.kept_to)
            self.admission = None
        return {}


def serve_owner(descriptor: int, number: int) -> None:
    """Serve the engine at the other end of an inherited socket. ``number``: see ``accounts``."""
    server = Server(owner=socket.socket(fileno=descriptor), accounts=accounts(number))
    try:
        server.run()
    finally:
        sys.stderr.flush()
