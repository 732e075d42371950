"""``localpair send``: find a paired device again and send to it, or to several."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from localpair.cli import files, several
from localpair.cli.output import results
from localpair.cli.piping import pipes
from localpair.cli.sessions import pair_and_carry
from localpair.limits import TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localpair.choices.selection import PlannedEntry
    from localpair.cli.context import Context
    from localpair.cli.options.send import Send
    from localpair.cli.output.output import Output
    from localpair.cli.sessions import Shown
    from localpair.trust.store import DeviceRecord


async def run(command: Send, context: Context) -> None:
    """Send files to devices that listen, or show what that would send. Raises what the library raises."""
    paths = files.sendable(command.paths, context.output.talk)
    store = context.api.TrustStore()
    records = several.chosen(command.devices, store, context.output.talk)
    text = await _text(command)
    pace = context.pace(command.limit_rate)
    async with pipes.spooled(paths, command.piped) as found:
        if command.dry_run:
            await _preview(context.api.preview_files(found, command.selection), context.output)
            return

        async def give(record: DeviceRecord, output: Shown) -> None:
            settings = context.api.Settings(timeout=command.timeout, port=command.port, gives=True)
            async with context.api.reach(record.device_id, settings, store=store) as reaching:
                await pair_and_carry(
                    reaching, output, send=found, selection=command.selection, text=text, pace=pace
                )

        if len(records) == 1:
            await give(records[0], context.output)
        else:  # one port serves one search at a time
            await several.each(records, give, context.output, 1 if command.port else several.AT_ONCE)


async def _text(command: Send) -> str | None:
    """What is to be shown on the other screen. Raises UsageError for what is no text, or too long for one."""
    if command.text == "-":
        return await pipes.read_text(TEXT_BYTES)
    if command.text is not None:
        pipes.as_text(command.text.encode("utf-8", "surrogateescape"), TEXT_BYTES)
    return command.text


async def _preview(entries: Iterable[PlannedEntry], output: Output) -> None:
    """Show each entry, and what all of them come to."""
    plan = results.PlanMade()
    for entry in entries:
        output.show(entry)
        plan = plan.and_one(entry)
        await asyncio.sleep(0)  # an interruption is heard in between
    output.show(plan)
