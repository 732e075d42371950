"""``localpair listen``: take what paired devices send."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from localpair.cli import hook
from localpair.cli.output.failures import explain
from localpair.cli.receiving import Inbound, inbound
from localpair.cli.sessions import EventWatch, carry
from localpair.cli.terminal.prompts import Prompts
from localpair.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from localpair.cli.context import Context
    from localpair.cli.options.listen import Listen
    from localpair.cli.output.output import Output
    from localpair.pairing.listen import Listening
    from localpair.session import Session
    from localpair.transfer.pace import Pace


async def run(command: Listen, context: Context) -> None:
    """Receive until the time is up, or until one device has come and gone. Raises LocalError for a taken port, and
    UnreachableError where one device was waited for and none came.
    """
    program = None if command.on_receive is None else hook.require_program(command.on_receive)
    prompts = Prompts(context.keyboard, context.output, assume_yes=command.yes)
    receive = inbound(command.receive, command.terms, context, prompts, to_clipboard=command.to_clipboard)
    settings = context.api.Settings(port=command.port, takes=True)
    async with (
        context.api.listen(settings, store=context.api.TrustStore()) as listening,
        asyncio.TaskGroup() as tasks,
    ):
        watch = EventWatch(context.output)
        watching = tasks.create_task(watch.run(listening.events()))
        reception = _Receiver(context.output, receive, program, context.pace(command.limit_rate))
        try:
            await _serve(listening, command, reception, watch)
        except UnreachableError as error:
            told = await listening.explain(error)
            await watch.until_judged()
            raise told from None
        watching.cancel()


class _Receiver:
    """Receives from one device after another, or from several at once."""

    def __init__(self, output: Output, receive: Inbound, program: str | None, pace: Pace | None) -> None:
        self._output, self._receive, self._program, self._pace = output, receive, program, pace

    async def receive(self, session: Session) -> None:
        """Store what one device sends. Raises what the library raises."""
        await carry(session, self._output, receive=self._receive, pace=self._pace)
        while self._receive.arrived:
            arrival = self._receive.arrived.pop(0)
            if self._program is not None:  # the sender waits no longer
                await hook.run(self._program, arrival, self._output.talk)

    def refuses(self, session: Session) -> bool:
        """Whether a rule refuses whatever comes: such a device is not the one that is waited for."""
        return self._receive.refuses(session.peer)

    async def receive_calmly(self, session: Session) -> None:
        """The same, and a session that fails ends alone: the next device is served."""
        try:
            await self.receive(session)
        except Exception as error:  # noqa: BLE001 - said, and kept in the event of the session's end
            self._output.talk.failure(explain(error))


async def _serve(listening: Listening, command: Listen, reception: _Receiver, watch: EventWatch) -> None:
    """Take sessions as they come. The time bounds the waiting; what is under way is finished."""
    end = None if command.timeout is None else asyncio.get_running_loop().time() + command.timeout
    sessions = aiter(listening.sessions())
    calm: set[asyncio.Task[None]] = set()
    were_refused = False
    async with asyncio.TaskGroup() as tasks:
        while (session := await _next(sessions, end)) is not None:
            await watch.until_paired(session)
            if command.once and not reception.refuses(session):
                await reception.receive(session)
                break
            were_refused = command.once
            receiving = tasks.create_task(reception.receive_calmly(session))
            calm.add(receiving)
            receiving.add_done_callback(calm.discard)
        if command.once:  # those are refused, and hold nobody up
            for task in calm:
                task.cancel()
    if command.once and session is None:
        raise _nobody(command, were_refused=were_refused)


def _nobody(command: Listen, *, were_refused: bool) -> UnreachableError:
    other = ", other than those that a rule refuses" if were_refused else ""
    return UnreachableError(
        f"no paired device came within {command.timeout:g} s{other}",
        hint="Run `localpair send` there, or wait longer.",
    )


async def _next(sessions: AsyncIterator[Session], end: float | None) -> Session | None:
    try:
        async with asyncio.timeout_at(end):
            return await anext(sessions, None)
    except TimeoutError:
        return None
