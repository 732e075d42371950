"""The first process of a node in the namespace engine: holds its namespaces, starts its programs, reaps them.

It is forked from the fabric, so it starts in a millisecond, and is process 1 of its own process namespace:
when it goes, the kernel ends everything in the node. It answers on one channel, which belongs to the lab:

    {"do": "start", "argv", "environment", "product", "confined", "preforked"} + stdin, stdout, stderr
                                                             -> {"started": pid} ... {"ended", "status"}
    {"do": "signal", "pid", "number"} | {"do": "signal-product", "number"}          -> {"ok": true}
    {"do": "open", "name", "write", "executable"}                                -> {"ok": true} + descriptor
    {"do": "set-clock", "reading"}                                                  -> {"ok": true}

``preforked`` names a program that needs no start (``fabric.prefork``); without it ``argv`` is started. What is
``confined`` runs as the device's programs do, everything else as the node's root.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from localpair_lab.fabric.server import prefork
from localpair_lab.fabric.server.node_files import HOME, STATE, TEMPORARY, EtcFiles, prepare_node
from localpair_lab.fabric.system import channel, children, clock, namespaces, tools
from localpair_lab.fabric.system.files import open_below
from localpair_lab.fabric.system.isolation import confinement
from localpair_lab.fabric.system.isolation.account import Account

_NOT_FOUND: Final = 127


def base_environment() -> dict[str, str]:
    """The clean environment of a node's programs."""
    return {
        "PATH": tools.path(),
        "HOME": str(HOME),
        "TMPDIR": str(TEMPORARY),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@dataclass(slots=True)
class NodeInit:
    """The loop that starts a node's programs and reaps them, for ``owner`` or for whoever calls at
    ``listener``. The device's programs are ``account``'s, and so are its files; without one they have whatever user
    the node has, which is a container's without any capability.
    """

    account: Account | None = None
    owner: socket.socket | None = None
    listener: socket.socket | None = None
    connections: list[socket.socket] = field(default_factory=list)
    programs: dict[int, _Started] = field(default_factory=dict)

    def run(self) -> None:
        """Serve until the owner hangs up (for ever without one)."""
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.connections += [self.owner] if self.owner else []
        while True:
            listeners = [self.listener] if self.listener else []
            numbers = [one.fileno() for one in (*listeners, *self.connections)]
            ready, _, _ = select.select([woken, *numbers], [], [])
            if woken in ready:
                os.read(woken, 512)
                self._reap()
            if self.listener and self.listener.fileno() in ready:
                self.connections.append(self.listener.accept()[0])
            for connection in [one for one in self.connections if one.fileno() in ready]:
                if not self._serve(connection):
                    return

    def _serve(self, connection: socket.socket) -> bool:
        try:
            message, descriptors = channel.receive(connection)
            self._answer(connection, message, descriptors)
        except channel.ChannelClosedError:
            self.connections.remove(connection)
            connection.close()
            return connection is not self.owner
        return True

    def _answer(self, connection: socket.socket, message: dict[str, Any], descriptors: list[int]) -> None:
        opened: list[int] = []
        answer: dict[str, Any] = {"ok": True}
        try:
            if message["do"] == "start":
                answer = {"started": self._start(connection, message, descriptors)}
            elif message["do"] == "open":
                executable = bool(message.get("executable"))
                opened = [self._open(message["name"], write=message["write"], executable=executable)]
            elif message["do"] == "set-clock":
                self._set_clock(message["reading"])
            else:
                self._signal(message)
        except OSError as error:
            answer = {"error": str(error), "errno": error.errno}
        channel.send(connection, answer, opened)
        for descriptor in (*descriptors, *opened):
            os.close(descriptor)

    def _open(self, name: str, *, write: bool, executable: bool = False) -> int:
        owner = self.account.owner if self.account else os.getuid()
        return open_below(STATE, name, write=write, owner=owner, executable=executable)

    def _set_clock(self, reading: str) -> None:
        """Programs read the file at any moment, so it is never there in part."""
        fresh = f"{clock.FILE}.new"
        with os.fdopen(self._open(fresh, write=True), "w") as file:
            file.write(reading)
        (STATE / fresh).rename(STATE / clock.FILE)

    def _start(self, connection: socket.socket, message: dict[str, Any], descriptors: list[int]) -> int:
        became, becoming = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            environment = {**base_environment(), **message["environment"]}
            account = self.account if message.get("confined") else None
            _become(message, environment, descriptors, becoming, account)
        os.close(becoming)
        os.read(became, 1)  # ends when the program has taken over: from then on signals mean the program
        os.close(became)
        self.programs[pid] = _Started(connection, message["product"], message.get("token", ""))
        return pid

    def _signal(self, message: dict[str, Any]) -> None:
        if message["do"] == "signal-product":
            chosen = [-pid for pid, program in self.programs.items() if program.is_product]
        else:
            named = {message.get("pid"), message.get("token")}
            chosen = [pid for pid, program in self.programs.items() if {pid, program.token} & named]
        for pid in chosen:
            try:
                os.kill(pid, message["number"])
                if message["number"] == signal.SIGSTOP:  # once that is answered, it does nothing more
                    os.waitid(os.P_PID, abs(pid), os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            except (ProcessLookupError, ChildProcessError):  # it ended; its status is on the way
                pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            program = self.programs.pop(pid, None)
            if program is not None and program.connection in self.connections:
                channel.send(program.connection, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


@dataclass(frozen=True, slots=True)
class _Started:
    """A program under way: who asked for it, whether it is the product, and the name the asker gave it."""

    connection: socket.socket
    is_product: bool
    token: str


def _become(
    message: dict[str, Any],
    environment: dict[str, str],
    streams: list[int],
    becoming: int,
    account: Account | None,
) -> None:
    """In the forked child: turn into the program, which is that account's. Never returns.

    ``becoming`` stays open until it has.
    """
    argv: list[str] = message["argv"]
    try:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        children.keep_open(becoming)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(STATE)
        if account is not None:
            confinement.confine_device(account)
        elif message["product"]:
            namespaces.keep_capabilities(())
        if word := message.get("preforked", ""):
            prefork.live(word, argv, environment)
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - starting programs is what a node is for
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's may run on in the child
        os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
    finally:
        os._exit(_NOT_FOUND)


def hold(etc_files: EtcFiles, account: Account, root: int, connection: socket.socket, ready: int) -> None:
    """As process 1 of a new process namespace, forked from the fabric: become a node. Never returns.

    ``root`` is the mount namespace that its own is made of. One byte goes to ``ready`` once the node is prepared;
    a longer text instead is the reason why it is not.
    """
    try:
        namespaces.die_with_parent(0)
        children.keep_open(root, connection.fileno(), ready)
        prepare_node(etc_files, account, root)
        os.close(root)
        os.write(ready, b"+")
        os.close(ready)
        NodeInit(account, owner=connection).run()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - the reason goes to the fabric, whatever it is
        try:
            os.write(ready, f"{type(error).__name__}: {error}".encode())
        except OSError:
            sys.stderr.write(f"node {etc_files.name}: {error}\n")
    finally:
        os._exit(1)
