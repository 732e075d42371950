"""``localpair listen``: take what paired devices send."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from localpair.cli import files
from localpair.cli.output.failures import explain
from localpair.cli.sessions import Inbound, Watch, carry
from localpair.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from localpair.cli.context import Context
    from localpair.cli.options import Listen
    from localpair.pairing.listen import Listening
    from localpair.session import Session


async def run(command: Listen, context: Context) -> None:
    """Receive until the time is up, or until one device has come and gone. Raises LocalError for a taken port."""
    files.prepare_folder(command.receive)
    settings = context.api.Settings(port=command.port, takes=True)
    async with (
        context.api.listen(settings, store=context.api.TrustStore()) as listening,
        asyncio.TaskGroup() as tasks,
    ):
        watch = Watch(context.output)
        watching = tasks.create_task(watch.run(listening.events()))
        await _serve(listening, command, context, watch)
        watching.cancel()


async def _serve(listening: Listening, command: Listen, context: Context, watch: Watch) -> None:
    """Take sessions as they come. The time bounds the waiting; what is under way is finished."""
    end = None if command.timeout is None else asyncio.get_running_loop().time() + command.timeout
    sessions = aiter(listening.sessions())
    async with asyncio.TaskGroup() as tasks:
        while (session := await _next(sessions, end)) is not None:
            await watch.until_paired(session)
            if command.once:
                await _receive(session, command, context)
                return
            tasks.create_task(_receive_calmly(session, command, context))
    if command.once:
        raise UnreachableError(
            f"no paired device came within {command.timeout:g} s",
            hint="Run `localpair send` there, or wait longer.",
        )


async def _next(sessions: AsyncIterator[Session], end: float | None) -> Session | None:
    try:
        async with asyncio.timeout_at(end):
            return await anext(sessions, None)
    except TimeoutError:
        return None


async def _receive(session: Session, command: Listen, context: Context) -> None:
    await carry(session, context.output, receive=Inbound(command.receive, command.terms))


async def _receive_calmly(session: Session, command: Listen, context: Context) -> None:
    """A session that fails ends alone: the next device is served."""
    try:
        await _receive(session, command, context)
    except Exception as error:  # noqa: BLE001 - said, and kept in the event of the session's end
        context.output.talk.failure(explain(error))
