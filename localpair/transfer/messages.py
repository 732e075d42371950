"""Messages of the application, between the program that waits for them and the connection."""

from __future__ import annotations

import asyncio
from collections import deque

from localpair.errors import LocalpairError, TransferError
from localpair.protocol.messages import MessageQueue
from localpair.transfer.channel import SessionChannel
from localpair.wire.payload import Note, NoteAck


class MessageChannel:
    """Both directions of messages of one session."""

    def __init__(self, link: SessionChannel) -> None:
        self._link = link
        self._notes = MessageQueue()
        self._queue: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._attached = False
        self._ended = False
        self._error: LocalpairError | None = None

    @property
    def received(self) -> int:
        """The number of the last message received, for `Attach`."""
        return self._notes.received

    async def send(self, data: bytes) -> None:
        """Queue a message, after those before it. Raises the session's error."""
        while not self._ended and not self._notes.room(len(data)):
            await self._wait()
        if self._ended:
            raise self._error or TransferError("the session has ended")
        note = self._notes.post(data)
        # Between two connections it waits behind the messages that must be sent again.
        if self._attached:
            self._link.send([note])

    async def next(self) -> bytes | None:
        """The next message; None after the last one. Raises the session's error where it did not end cleanly."""
        while not self._queue:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            await self._wait()
        data = self._queue.popleft()
        self._notes.take()
        self._link.send([self._notes.ack()])
        return data

    async def delivered(self) -> None:
        """Wait until the peer has received everything, or the session has ended."""
        while not self._ended and self._notes.unacknowledged:
            await self._wait()

    # --- called by the session

    def receive(self, message: Note | NoteAck) -> None:
        """Take a message of the peer. Raises WireError."""
        if isinstance(message, NoteAck):
            self._notes.acknowledge(message)
        elif self._notes.receive(message):
            self._queue.append(message.data)
            self._link.send([self._notes.ack()])
        self._changed.set()

    def detach(self) -> None:
        """The connection is gone."""
        self._attached = False

    async def attach(self, received: int) -> None:
        """A new connection stands and the peer has ``received`` messages. Raises WireError."""
        self._notes.acknowledge(NoteAck(received, 0))
        number = received
        while (note := self._notes.after(number)) is not None:
            self._link.send([note])
            number = note.number
            # Nothing is read before this ends, so it must not wait; but the loop may see that it is in vain.
            await asyncio.sleep(0)
        self._attached = True
        self._link.send([self._notes.ack()])
        self._changed.set()

    def end(self, error: LocalpairError | None) -> None:
        """The session has ended; without an error, cleanly."""
        self._ended = True
        self._error = self._error or error
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
