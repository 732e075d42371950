"""Connections over a link that loses packets: the kernel's usual congestion control takes every loss for a full queue
and slows down to a crawl, so where losses are many another one takes over.

BBR goes by rate and delay instead. It is chosen by evidence only: where nothing is sent again nothing changes, so a
clean LAN keeps what its kernel is set to.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

from localpair.limits import LOSS_LEAST, LOSS_LOOK_S, LOSS_SHARE

_THIN_LINEAR_TIMEOUTS: Final = (
    16  # TCP_THIN_LINEAR_TIMEOUTS of linux/tcp.h; the socket module does not name it
)
# Of struct tcp_info in linux/tcp.h: tcpi_total_retrans and tcpi_segs_out.
_INFO: Final = 11  # TCP_INFO
_INFO_BYTES: Final = 140
_SENT_AGAIN: Final = struct.Struct("=100xI")
_SENT: Final = struct.Struct("=136xI")
_CONGESTION: Final = 13  # TCP_CONGESTION of linux/tcp.h
_CONTROL: Final = b"bbr"


class LossWatch:
    """Looks at one connection every LOSS_LOOK_S until it has changed the socket's congestion control, or cannot."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timer: asyncio.TimerHandle | None = None
        if sys.platform == "linux":
            with suppress(OSError):
                # A handshake has few packets in flight: losing one must not double the wait for the next.
                sock.setsockopt(socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS, 1)
            self._again()

    def stop(self) -> None:
        """The connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOSS_LOOK_S, self._look)

    def _look(self) -> None:
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, _INFO, _INFO_BYTES)
            if not loses(info):
                self._again()
                return
            self._sock.setsockopt(socket.IPPROTO_TCP, _CONGESTION, _CONTROL)
        except OSError:
            return  # the connection is gone, or this kernel has nothing better


def loses(info: bytes) -> bool:
    """Whether a connection, by its ``struct tcp_info``, had to send so much again that the link is at fault."""
    if len(info) < _INFO_BYTES:
        return False
    again: int = _SENT_AGAIN.unpack_from(info)[0]
    sent: int = _SENT.unpack_from(info)[0]
    return again >= LOSS_LEAST and again >= LOSS_SHARE * sent
