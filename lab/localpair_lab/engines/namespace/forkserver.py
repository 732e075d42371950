"""The process that fabrics are forked from, with the installed localpair imported once for all of its devices.

    python -I forkserver.py FD PARENT ROOT

``-I``: what is imported as localpair is what is installed, never the tree that the lab lies in; ``ROOT`` is that
tree's folder. It answers on the channel at ``FD`` (see ``fabric.channel``), and ends with ``PARENT``:

    at first                                      -> {"product": whether localpair was found, "folders": its parts}
    {"do": "own"} + the fabric's end of its channel, its stderr       -> {"pid"} + a pidfd of the forked fabric
"""

from __future__ import annotations

import gc
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module

_SMALL_NUMBERS = 100


def main(descriptor: int, parent: int, root: str) -> None:
    """Import what children need, and fork them on request until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides when to end
    # OpenSSL knows a forked process by its number, which is a small one in every device.
    has_product = os.getpid() > _SMALL_NUMBERS and _import_product()
    sys.path.append(root)
    from localpair_lab.engines.namespace import visible
    from localpair_lab.fabric.server import owner, prefork
    from localpair_lab.fabric.system import channel, children, namespaces

    namespaces.die_with_parent(parent)
    if has_product:
        prefork.provide("@localpair", import_module("localpair.cli").main)
    gc.collect()
    gc.freeze()  # a child's collections would copy every page else
    connection = socket.socket(fileno=descriptor)
    try:
        packages = list(import_module("localpair").__path__) if has_product else []
        channel.send(connection, {"product": has_product, "folders": visible.loaded(packages)})
        while True:
            _, passed = channel.receive(connection)
            _reap()  # not before: a pidfd needs a process that nobody has reaped
            pid = children.fork(partial(_own, owner.own, connection, *passed), what="own")
            pidfd = os.pidfd_open(pid)
            channel.send(connection, {"pid": pid}, [pidfd])
            for one in (*passed, pidfd):
                os.close(one)
    except channel.ChannelClosedError:
        return


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:  # none is left
        pass


def _own(own: Callable[[int, int], object], connection: socket.socket, served: int, errors: int) -> None:
    """In a child: a fabric that serves at ``served`` and complains to ``errors``."""
    connection.close()
    os.dup2(errors, 2)
    os.close(errors)
    own(served, os.getppid())


def _import_product() -> bool:
    try:
        package = import_module("localpair")
    except ImportError:
        return False
    for module in pkgutil.walk_packages(package.__path__, "localpair."):
        if not module.name.endswith(".__main__"):
            import_module(module.name)
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
