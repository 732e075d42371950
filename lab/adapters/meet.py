"""What programs do that only find each other: one TCP connection, over which both sides say hello.

A program that uses a discovery by the book has no more than this. It pairs once both ends have the other's word.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable

PORT = 4700
HELLO = b"hello\n"
TRY_S = 2.0


def say(words: str) -> None:
    """One line that the adapter reads."""
    print(words, flush=True)  # noqa: T201 - the adapter reads stdout


def listener() -> socket.socket:
    """Listens on every address, of both families where there are both."""
    both = socket.has_dualstack_ipv6()
    return socket.create_server(
        ("", PORT), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
    )


def be_met(listening: socket.socket) -> None:
    """Answer until somebody has said hello; says that they are paired."""
    while True:
        connection, address = listening.accept()
        with connection:
            connection.settimeout(TRY_S)
            try:
                if connection.recv(len(HELLO)) == HELLO:
                    connection.sendall(HELLO)
                    say(f"paired with {_written(address)}")
                    return
            except OSError:
                continue


def meet(addresses: Iterable[str], port: int = PORT) -> bool:
    """Say hello at the first of these addresses that answers; whether one did."""
    for address in addresses:
        try:
            with socket.create_connection((address, port), TRY_S) as connection:
                connection.sendall(HELLO)
                if connection.recv(len(HELLO)) == HELLO:
                    say(f"paired with {_written(connection.getpeername())}")
                    return True
        except OSError as error:
            sys.stderr.write(f"{address}: {error}\n")
    return False


def _written(address: tuple[str, int, int, int] | tuple[str, int]) -> str:
    host, port = address[0].removeprefix("::ffff:"), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
