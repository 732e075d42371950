"""The process that fabrics are forked from, with the installed localpair imported once for all of its devices.

    python -I zygote.py FD PARENT ROOT

``-I``: what is imported as localpair is what is installed, never the tree that the lab lies in; ``ROOT`` is that
tree's folder. It answers on the channel at ``FD`` (see ``lab.fabric.channel``), and ends with ``PARENT``:

    at first                                                          -> {"product": whether localpair was found}
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
from importlib import import_module


def main(descriptor: int, parent: int, root: str) -> None:
    """Import what children need, and fork them on request until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides when to end
    has_product = _import_product()
    sys.path.append(root)
    from lab.fabric import channel, children, namespaces, server, warm

    namespaces.die_with_parent(parent)
    del server  # imported for the children
    if has_product:
        warm.provide("@localpair", import_module("localpair.cli").main)
    gc.collect()
    gc.freeze()  # a child's collections would copy every page else
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    connection = socket.socket(fileno=descriptor)
    try:
        channel.send(connection, {"product": has_product})
        while True:
            _, passed = channel.receive(connection)
            pid = children.fork(_fabric(connection, passed), what="own")
            pidfd = os.pidfd_open(pid)
            channel.send(connection, {"pid": pid}, [pidfd])
            for one in (*passed, pidfd):
                os.close(one)
    except channel.ChannelClosedError:
        return


def _import_product() -> bool:
    try:
        package = import_module("localpair")
    except ImportError:
        return False
    for module in pkgutil.walk_packages(package.__path__, "localpair."):
        if not module.name.endswith(".__main__"):
            import_module(module.name)
    return True


def _fabric(connection: socket.socket, passed: list[int]) -> Callable[[], None]:
    """In a child: a fabric that serves at the first descriptor and complains to the second."""

    def own() -> None:
        from lab.fabric import programs

        connection.close()
        served, errors = passed
        os.dup2(errors, 2)
        os.close(errors)
        programs.own(served, os.getppid())

    return own


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
