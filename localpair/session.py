"""Session: what a pair does with its connection: messages and files, both ways, until one side says goodbye.

One supervisor task owns the connection. When that breaks, both sides find each other again (``reconnect``), tell what
they have, and go on; programs notice nothing but an event.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path as FilePath
from types import TracebackType
from typing import Self, TypeAlias

from localpair.choices.selection import EVERYTHING, Selection
from localpair.choices.settings import ReceiveApprover, ReceiveRequest
from localpair.choices.terms import USUAL, Resolver, Terms, keep_both
from localpair.errors import LocalpairError, RemoteError, TransferError, UsageError
from localpair.events import Event, Path, Peer, Receipt, Reconnected
from localpair.limits import ATTACH_S, CLOSE_S, FIRST_WORD_S, FRAME_BYTES, RESUME_S
from localpair.net.transport.receive_buffer import Piece
from localpair.net.transport.stream import FrameStream
from localpair.protocol.transfer.filenames import stored_name
from localpair.protocol.transfer.receiver import Counted
from localpair.transfer.channel import SessionChannel
from localpair.transfer.incoming import Incoming
from localpair.transfer.messages import MessageChannel
from localpair.transfer.outgoing import Outgoing
from localpair.transfer.pace import Pace
from localpair.wire.payload import (
    TOKEN_BYTES,
    Accept,
    Attach,
    Bye,
    Closed,
    Have,
    Note,
    NoteAck,
    Payload,
    Ping,
    Settled,
    StopBatch,
)

_log = logging.getLogger(__name__)

_AGAIN = "What has arrived is kept. Sending the same again into the same folder goes on where it stood."

Reconnect: TypeAlias = Callable[[], Awaitable[FrameStream]]
"""Makes a new authenticated connection to the same peer, or raises LocalpairError or OSError."""


class Session:
    """An authenticated connection to one peer, for messages and files.

    ``async with session`` (or ``start`` and ``close``) owns its tasks. ``on_event`` is called on the event loop with
    `Progress`, `Resumed`, `Unchanged`, `Skipped`, `Sent`, `Received` and `Reconnected`. Sending and receiving
    may run at once. ``peer_gives`` and ``peer_takes`` are what the peer said it is there for (its ``Settings``), before
    anything is carried.
    """

    def __init__(
        self,
        stream: FrameStream,
        *,
        peer: Peer,
        path: Path,
        reconnect: Reconnect | None = None,
        on_event: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        peer_gives: bool = True,
        peer_takes: bool = True,
    ) -> None:
        self.peer = peer
        self.peer_gives, self.peer_takes = peer_gives, peer_takes
        self.path = path
        self.on_event = on_event
        self._stream = stream
        self._supervisor = _Supervisor(self, stream, reconnect, clock)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to serve the connection; a second call does nothing."""
        self._supervisor.start()

    def limit(self, pace: Pace) -> None:
        """Carry files no faster than ``pace`` says, from now on."""
        self._supervisor.limit(pace)

    async def send_files(self, paths: Sequence[FilePath], selection: Selection = EVERYTHING) -> None:
        """Send files and folders, as far as they are selected; returns once the peer has stored all of them durably.

        Raises LocalError for a path that does not exist, and TransferError that names what did not arrive; the
        other files have arrived then. Cancelling tells the peer.
        """
        self.start()
        await self._supervisor.outgoing.send(paths, selection)

    async def receive_files(
        self,
        directory: FilePath,
        terms: Terms = USUAL,
        approve: ReceiveApprover | None = None,
        resolve: Resolver = keep_both,
        turn: asyncio.Lock | None = None,
    ) -> Receipt:
        """Receive one ``send_files`` of the peer into ``directory``, which must exist, on these terms.

        ``approve`` is asked before anything is taken, and raises RefusedError by saying no; without it everything is
        taken. What comes then may not be much more than what it was told. ``resolve`` decides for each file whose name
        is taken, where the terms say ``Existing.ASK``; where it takes more than a minute, both are kept. ``turn`` is
        held while one of the two is asked: sessions that ask one person share it, and each question has its whole
        minute.

        Returns what arrived, which is nothing where the peer ended the session without sending. Raises
        TransferError that names what did not arrive, LocalError where the folder or the disk is at fault.
        Cancelling tells the peer. What is incomplete has no name then; the part of a large file is kept, hidden, for
        the next time that this peer sends the same file here.
        """
        self.start()
        ask = None if approve is None else partial(self._ask, approve, terms)
        return await self._supervisor.incoming.receive(directory, terms, ask, resolve, turn)

    async def files_offered(self) -> bool:
        """Wait until the peer calls ``send_files``: what is to become of them can be decided now.

        False where the peer ended the session without sending. Raises TransferError where the connection was lost.
        """
        self.start()
        return await self._supervisor.incoming.offered()

    async def decline_files(self, reason: str) -> bool:
        """Store nothing of one ``send_files`` of the peer, which fails there with ``reason``.

        False where the peer ended the session without sending. Raises TransferError where the connection was lost.
        """
        self.start()
        return await self._supervisor.incoming.decline(reason)

    async def _ask(self, approve: ReceiveApprover, terms: Terms, counted: Counted | None) -> bool:
        if counted is None:
            return await approve(ReceiveRequest(self.peer, None, None, (), 0))
        names = tuple(stored_name(name, allow_hidden=terms.allow_hidden) for name in counted.names)
        more = counted.tops - len(names)
        return await approve(ReceiveRequest(self.peer, counted.files, counted.size, names, more))

    async def send_message(self, data: bytes) -> None:
        """Send a message of at most FRAME_BYTES; waits while the peer's program takes none. Raises TransferError."""
        if len(data) > FRAME_BYTES:
            raise UsageError(f"a message of {len(data)} bytes; at most {FRAME_BYTES} are possible")
        self.start()
        await self._supervisor.messages.send(data)

    async def messages(self) -> AsyncIterator[bytes]:
        """The peer's messages, each once and in order, until the session ends; TransferError where that breaks."""
        self.start()
        while (data := await self._supervisor.messages.next()) is not None:
            yield data

    def resume(self, stream: FrameStream) -> None:
        """Go on over ``stream``: the peer came back while this side still believed in the old connection."""
        self._supervisor.replace(stream)

    async def wait_closed(self) -> None:
        """Wait until the session has ended, however it ended."""
        await self._supervisor.ended.wait()

    async def close(self) -> None:
        """Say goodbye, so that both sides know the session ended on purpose; bounded, never raises."""
        await self._supervisor.close()


class _Supervisor:
    """Runs the session over one connection after another."""

    def __init__(
        self, session: Session, stream: FrameStream, reconnect: Reconnect | None, clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._stream = stream
        self._reconnect = reconnect
        self._link = SessionChannel()
        self.outgoing = Outgoing(self._link, self._emit, clock)
        self.incoming = Incoming(self._link, self._emit, clock, session.peer.device_id)
        self.messages = MessageChannel(self._link)
        self.ended = asyncio.Event()
        self._pace: Pace | None = None
        self._task: asyncio.Task[None] | None = None
        self._replacement: asyncio.Queue[FrameStream] = asyncio.Queue()
        self._own = os.urandom(TOKEN_BYTES)
        self._peer = b""
        self._closing = False
        self._hurried = False  # saying goodbye took too long for whoever closed
        self._parted = False  # the peer has said goodbye

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="localpair-session")

    def limit(self, pace: Pace) -> None:
        self._pace = self.outgoing.pace = pace

    def replace(self, stream: FrameStream) -> None:
        self._replacement.put_nowait(stream)
        self._stream.abort()

    async def close(self) -> None:
        if self._task is None:
            self.ended.set()
            await self._stream.close()
            return
        if not self.ended.is_set() and not self._hurried:
            try:
                await self._say_goodbye()
            except asyncio.CancelledError:
                self._hurried = True
                raise
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._hurried:
            self._stream.abort()
        await self._stream.close()

    async def _say_goodbye(self) -> None:
        try:
            # The peer may have lost the connection with the last word of the pairing, and come again.
            async with asyncio.timeout(CLOSE_S if self._peer else FIRST_WORD_S):
                await self._link.ready.wait()
                await self.messages.delivered()
                self._closing = True
                closed = TransferError("this side closed the session")
                self.outgoing.end(closed)
                self.incoming.end(closed)
                # Whoever was sending or receiving tells the peer first.
                await asyncio.sleep(0)
                self._link.send([Bye()])
                await self.ended.wait()
        except TimeoutError:
            pass

    # --- the task

    async def _run(self) -> None:
        error: LocalpairError | None = TransferError("this side closed the session")
        try:
            await self._serve()
            error = None
        except RemoteError as remote:
            error = TransferError(f"the peer broke the protocol: {remote.message}")
            error.__cause__ = remote
        except LocalpairError as local:
            error = local
        except Exception as bug:  # noqa: BLE001 - logged, and told to whoever uses the session
            _log.exception("the session ended by a fault of its own")
            error = TransferError(f"unexpected {type(bug).__name__}: {bug}")
        finally:
            self._end(error)

    def _end(self, error: LocalpairError | None) -> None:
        if error is not None:
            self._link.detach()
        self.outgoing.end(error or TransferError("the peer ended the session"))
        self.incoming.end(error)
        self.messages.end(error)
        self.ended.set()

    async def _serve(self) -> None:
        """Converse over one connection after another until somebody says goodbye."""
        deadline: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            try:
                again = deadline is not None
                await self._attach(again=again)
                deadline = None
                if again and self._closing:
                    self._link.send([Bye()])  # the one before went where nobody was
                await self._converse()
                return
            except ConnectionError as broken:
                self._link.detach()
                self.outgoing.detach()
                self.messages.detach()
                if self._parted or (self._closing and self._peer):
                    return
                _log.info("the connection broke: %s", broken)
                deadline = deadline or loop.time() + RESUME_S
                self._stream = await self._settle_and_find(broken, deadline)

    async def _attach(self, *, again: bool) -> None:
        if again:
            await self.incoming.reclaim()
        own = self.incoming.state(self._own, self._peer, self.messages.received, self.outgoing.state)
        peer = await self._link.attach(self._stream, own, timeout=ATTACH_S if again else None)
        self._recognise(peer)
        self.incoming.attach(peer)
        self.outgoing.attach(peer)
        await self.messages.attach(peer.messages)
        if again:
            local, remote = _endpoint(self._stream.local), _endpoint(self._stream.remote)
            path = dataclasses.replace(self._session.path, local=local, remote=remote)
            self._session.path = self._stream.path or path
            self._emit(Reconnected(self._session.path))

    def _recognise(self, peer: Attach) -> None:
        """Make sure that whoever speaks is in this session, and was not started anew meanwhile."""
        if (self._peer and peer.own != self._peer) or (peer.peer and peer.peer != self._own):
            raise TransferError("the peer was started anew and knows nothing of this session")
        self._peer = peer.own

    async def _converse(self) -> None:
        watch = asyncio.create_task(self._link.watch(), name="localpair-watch")
        try:
            while not self._parted:
                part = await self._link.receive()
                count = len(part.data) if isinstance(part, Piece) else 0
                self._dispatch(part)
                if self._pace is not None and count:
                    await self._pace.received(count)
                if self.incoming.crowded:
                    await self.incoming.room()
                if self._link.flooded:
                    await self._link.drain()
            if not self._closing:
                self._link.send([Bye()])
                await self._stream.close()
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    def _dispatch(self, part: Payload | Piece) -> None:
        match part:
            case Piece():
                self.incoming.receive_piece(part)
            case Accept() | Settled() | Have() | StopBatch() | Closed():
                self.outgoing.receive(part)
            case Note() | NoteAck():
                self.messages.receive(part)
            case Ping():
                pass
            case Bye():
                self._parted = True
            case Attach():
                raise RemoteError("a second state on one connection")
            case _:
                self.incoming.receive_message(part)

    # --- a broken connection

    async def _settle_and_find(self, broken: ConnectionError, deadline: float) -> FrameStream:
        """Look for the peer while the disk takes in what has arrived."""
        settling = asyncio.create_task(self.incoming.detach(), name="localpair-settle")
        try:
            stream = await self._again(broken, deadline)
            try:
                await asyncio.shield(settling)
            except BaseException:
                stream.abort()
                raise
            return stream
        finally:
            settling.cancel()
            await asyncio.wait([settling])

    async def _again(self, broken: ConnectionError, deadline: float) -> FrameStream:
        """Another connection to the same peer, whichever side makes it. Raises TransferError."""
        replaced = asyncio.create_task(self._replacement.get())
        attempts: set[asyncio.Task[FrameStream]] = {replaced}
        if self._reconnect is not None:
            attempts.add(asyncio.create_task(_awaited(self._reconnect)))
        elif self._replacement.empty():
            replaced.cancel()
            raise TransferError(f"the connection broke: {broken}", hint=_AGAIN) from broken
        try:
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait(attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.wait(attempts)
        return _first_stream(done, broken)

    def _emit(self, event: Event) -> None:
        if self._session.on_event is not None:
            try:
                self._session.on_event(event)
            except Exception:  # noqa: BLE001 - the program's fault must not end the session
                _log.exception("on_event failed")


async def _awaited(reconnect: Reconnect) -> FrameStream:
    return await reconnect()


def _first_stream(done: set[asyncio.Task[FrameStream]], broken: ConnectionError) -> FrameStream:
    """The connection that was made; a second one made at the same moment is closed."""
    streams: list[FrameStream] = []
    cause: BaseException = broken
    for attempt in done:
        error = attempt.exception()
        if error is None:
            streams.append(attempt.result())
        elif isinstance(error, LocalpairError | OSError):
            cause = error
        else:
            raise error
    for other in streams[1:]:
        other.abort()
    if not streams:
        raise TransferError(
            f"the connection broke ({broken}) and could not be made again: {cause}", hint=_AGAIN
        ) from cause
    return streams[0]


def _endpoint(name: tuple[str, int]) -> str:
    host, port = name
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
