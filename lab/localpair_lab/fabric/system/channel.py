"""Messages with descriptors over a Unix stream socket: four bytes of length, JSON, and what travels beside
it.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH: Final = struct.Struct("!I")
_DESCRIPTORS: Final = 8

Message: TypeAlias = dict[str, Any]


class ChannelClosedError(ConnectionError):
    """The other side is gone."""


def send(connection: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message; ``descriptors`` are duplicated into the receiver."""
    body = json.dumps(message).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    try:
        connection.sendmsg([_LENGTH.pack(len(body))], rights)
        connection.sendall(body)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise ChannelClosedError("the other side of a lab channel is gone") from error


def receive(connection: socket.socket) -> tuple[Message, list[int]]:
    """The next message and its descriptors, which now are the caller's. Raises ``ChannelClosedError``."""
    try:
        head, rights, _, _ = connection.recvmsg(_LENGTH.size, socket.CMSG_SPACE(_DESCRIPTORS * 4))
        found = array.array("i")
        for level, kind, data in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(data[: len(data) - len(data) % found.itemsize])
        for descriptor in found:
            os.set_inheritable(descriptor, False)
        length = _LENGTH.unpack(head + _exactly(connection, _LENGTH.size - len(head)))[0] if head else None
        if length is None:
            raise ChannelClosedError("the other side of a lab channel is gone")
        return json.loads(_exactly(connection, length)), list(found)
    except ConnectionResetError as error:
        raise ChannelClosedError("the other side of a lab channel is gone") from error


def ask(
    connection: socket.socket, message: Message, descriptors: Sequence[int] = ()
) -> tuple[Message, list[int]]:
    """Send, and wait for the answer."""
    send(connection, message, descriptors)
    return receive(connection)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise ChannelClosedError("the other side of a lab channel is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
