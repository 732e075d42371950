"""What ``host``, ``join``, ``send`` and ``listen`` share: watch a pairing, carry files over its session."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol

from localpair.choices.selection import EVERYTHING
from localpair.cli.output import results
from localpair.cli.output.failures import explain
from localpair.cli.piping import texts
from localpair.cli.receiving import receive_unless_declined
from localpair.errors import LocalpairError, RefusedError, RemoteError, TransferError, UnreachableError
from localpair.events import (
    AnswerIssued,
    Judged,
    OfferIssued,
    Paired,
    Received,
    Reconnected,
    Sent,
    Skipped,
    Unchanged,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from localpair.choices.selection import Selection
    from localpair.cli.receiving import Inbound
    from localpair.events import Event, Peer
    from localpair.pairing.attempt import Pairing
    from localpair.session import Session
    from localpair.transfer.pace import Pace

_GOODBYE_S: Final = 0.2
_INTERRUPTED: Final = results.RunFailure("interrupted", "interrupted", None, 130)
_LAST_EVENTS_S: Final = 0.2  # for events that explain a failure and are still on their way


class Shown(Protocol):
    """Where what happens is shown: the output of the run, or the part of it that belongs to one device."""

    def show(self, item: results.Item) -> None:
        """Show one item."""


async def pair_and_carry(
    pairing: Pairing,
    output: Shown,
    *,
    send: Sequence[Path] = (),
    selection: Selection = EVERYTHING,
    receive: Inbound | None = None,
    text: str | None = None,
    pace: Pace | None = None,
    on_offer: Callable[[OfferIssued], None] | None = None,
    on_answer: Callable[[AnswerIssued], None] | None = None,
    on_report: Callable[[str], None] | None = None,
) -> None:
    """Pair, carry what there is to carry, and say goodbye. Raises what the library raises."""
    async with asyncio.TaskGroup() as tasks:
        watch = EventWatch(output, on_offer, on_answer, on_report)
        watching = tasks.create_task(watch.run(pairing.events()))
        try:
            session = await pairing.session()
        except LocalpairError:
            await asyncio.wait({watching}, timeout=_LAST_EVENTS_S)
            raise
        await watch.until_paired(session)
        await carry(session, output, send=send, selection=selection, receive=receive, text=text, pace=pace)
        watching.cancel()


class EventWatch:
    """Shows the events of a pairing, or of a listener, as they come."""

    def __init__(
        self,
        output: Shown,
        on_offer: Callable[[OfferIssued], None] | None = None,
        on_answer: Callable[[AnswerIssued], None] | None = None,
        on_report: Callable[[str], None] | None = None,
    ) -> None:
        self._output = output
        self._on_report = on_report
        self._on_offer = on_offer or output.show
        self._on_answer = on_answer or output.show
        self._met: list[str] = []  # devices whose pair was shown and whose session has not begun
        self._more, self._judged = asyncio.Event(), asyncio.Event()

    async def run(self, stream: AsyncIterator[Event]) -> None:
        """Show all events of ``stream``."""
        async for event in stream:
            match event:
                case OfferIssued():
                    self._on_offer(event)
                case AnswerIssued():
                    self._on_answer(event)
                case _:
                    self._output.show(event)
            if isinstance(event, Judged):
                self._judged.set()
                if event.report and self._on_report is not None:
                    self._on_report(event.report)
            if isinstance(event, Paired):
                self._met.append(event.peer.device_id)
                self._more.set()

    async def until_judged(self) -> None:
        """Wait until a verdict has been shown, if one is on its way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_EVENTS_S):
                await self._judged.wait()

    async def until_paired(self, session: Session) -> None:
        """Wait until the pair has been shown, so that no file is shown before it."""
        device = session.peer.device_id
        try:
            async with asyncio.timeout(_LAST_EVENTS_S):
                while device not in self._met:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            self._output.show(Paired(session.peer, session.path, 0.0))
        else:
            self._met.remove(device)


async def carry(
    session: Session,
    output: Shown,
    *,
    send: Sequence[Path] = (),
    selection: Selection = EVERYTHING,
    receive: Inbound | None = None,
    text: str | None = None,
    pace: Pace | None = None,
) -> None:
    """Send and receive, both at once, and close the session; its end is shown in any case.

    What one side wants to send and the other one does not take fails the same way on both, after all the rest.
    Raises TransferError where the other side or the way to it failed, LocalError where this side did.
    """
    carried = CarriedCount(output, session.peer)
    session.on_event = carried.show
    if pace is not None:
        session.limit(pace)
    session.start()  # even with nothing to carry: the other side is to hear a goodbye
    failure: results.RunFailure | None = None
    try:
        taken = session.peer_takes
        await _exchange(session, send if taken else (), selection, receive, text if taken else None)
        await session.close()
        _check_taken(session, receive, gives=bool(send) or text is not None)
    except BaseException as error:
        failure = _INTERRUPTED if isinstance(error, asyncio.CancelledError) else explain(error)
        await _close_soon(session)
        raise
    finally:
        output.show(carried.closed(session, failure))


async def _close_soon(session: Session) -> None:
    """Say goodbye if that takes no time: whoever interrupts a run does not want to wait."""
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await session.close()
    except TimeoutError:
        pass


async def _exchange(
    session: Session, send: Sequence[Path], selection: Selection, receive: Inbound | None, text: str | None
) -> None:
    declined: list[RefusedError] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            if send or text is not None:
                tasks.create_task(_give(session, send, selection, text))
            if receive is not None:
                tasks.create_task(receive_unless_declined(session, receive, declined))
    except* (UnreachableError, RemoteError, ConnectionError) as group:
        failure = explain(group)
        raise TransferError(f"the transfer failed: {failure.message}", hint=failure.hint) from group

    if declined:
        raise declined[0]


async def _give(session: Session, send: Sequence[Path], selection: Selection, text: str | None) -> None:
    """The text first: it may say what the files are."""
    if text is not None:
        await texts.send(session, text)
    if send:
        await session.send_files(send, selection)


def _check_taken(session: Session, receive: Inbound | None, *, gives: bool) -> None:
    if gives and not session.peer_takes:
        raise TransferError(
            "nothing was sent: the other device was started without --receive",
            hint="The two are paired. Run `localpair listen` there and `localpair send` here.",
        )
    if session.peer_gives and receive is None:
        raise TransferError(
            "nothing was received: the other device wants to send, and this one was started without --receive",
            hint="The two are paired. Run `localpair listen` here and `localpair send` there.",
        )


class CarriedCount:
    """Shows what a session carries and keeps count."""

    def __init__(self, output: Shown, peer: Peer) -> None:
        self._output, self._peer = output, peer
        self._sent = self._received = results.Carried()
        self._unchanged = 0
        self._skipped: dict[str, results.NotCarried] = {}

    def show(self, event: Event) -> None:
        """Show one event of the session. That it goes on elsewhere is told by the pairing, too."""
        if isinstance(event, Reconnected):
            return
        if isinstance(event, Sent):
            self._sent = self._sent.and_one(event)
        elif isinstance(event, Unchanged):
            self._unchanged += 1
        elif isinstance(event, Skipped):
            earlier = self._skipped.get(event.reason, results.NotCarried())
            self._skipped[event.reason] = earlier.and_one(event.file)
        elif isinstance(event, Received):
            self._received = self._received.and_one(event)
        self._output.show(results.About(self._peer, event))

    def closed(self, session: Session, failure: results.RunFailure | None) -> results.SessionClosed:
        """All that came of it."""
        return results.SessionClosed(
            session.peer, self._sent, self._received, failure, self._unchanged, self._skipped
        )
