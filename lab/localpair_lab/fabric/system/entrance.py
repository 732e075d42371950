"""A person's way into a node: COMMAND runs there with a terminal of the node's own, or with the streams that it gets.

    python -I -S entrance.py {terminal|pipes} NUMBER {own|mapped} COMMAND [ARGUMENT ...]

The command has the rights of the device's programs and its account (``account.Account.words``). What runs in a node
never holds the person's own terminal, where it could type for them. This program stands between: it comes in as the
node's root, makes a terminal, and carries what is typed and shown.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sys
import termios
import tty
from pathlib import Path
from typing import NoReturn

_CHUNK = 1 << 16


def main() -> int:
    """Run the command; its exit status, or as a shell has it, 128 and the number of the signal that ended it."""
    sys.path.append(str(Path(__file__).resolve().parents[3]))
    kind, *account = sys.argv[1:4]
    start = _on_terminal if kind == "terminal" else _on_pipes
    pid = start(account, sys.argv[4:])
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


def _on_pipes(account: list[str], command: list[str]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setsid()  # without a terminal to speak of, /dev/tty included
        _become(account, command, parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    return pid


def _on_terminal(account: list[str], command: list[str]) -> int:
    from localpair_lab.fabric.system import namespaces

    if not os.path.exists("/dev/pts/ptmx"):  # noqa: PTH110 - the first who enters makes it
        harmless = namespaces.MS_NOSUID | namespaces.MS_NOEXEC
        namespaces.mount("devpts", "/dev/pts", "devpts", harmless, "newinstance,ptmxmode=0666,mode=0620")
    parent = os.getpid()
    pid, master = pty.fork()
    if pid == 0:
        _become(account, command, parent)
    before = termios.tcgetattr(0)
    signal.signal(signal.SIGWINCH, lambda *_: _fit(master))
    _fit(master)
    try:
        tty.setraw(0)
        _carry(master)
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
    return pid


def _fit(master: int) -> None:
    """The terminal inside is as large as the one outside."""
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)


def _carry(master: int) -> None:
    """What is typed goes in, what is shown comes out, until nobody inside has the terminal any more."""
    sources = [0, master]
    while True:
        for ready in select.select(sources, [], [])[0]:
            try:
                data = os.read(ready, _CHUNK)
            except OSError:  # the last one inside has ended
                data = b""
            if not data and ready == master:
                return
            if not data:
                sources.remove(0)
            while data:
                data = data[os.write(1 if ready == master else master, data) :]


def _become(words: list[str], command: list[str], parent: int) -> NoReturn:
    from localpair_lab.fabric.system import namespaces
    from localpair_lab.fabric.system.isolation import confinement
    from localpair_lab.fabric.system.isolation.account import Account

    try:
        account = Account.from_words(*words)
        if os.isatty(0):
            os.fchown(0, account.owner, account.owner)
        confinement.confine_device(account)
        namespaces.die_with_parent(parent)
        os.execvp(command[0], command)  # noqa: S606 - it is what the person asked for
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    sys.exit(main())
