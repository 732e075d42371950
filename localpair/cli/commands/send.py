"""``localpair send``: find a paired device again and send to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import files
from localpair.cli.sessions import pair_and_carry

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options import Send


async def run(command: Send, context: Context) -> None:
    """Send files to a device that listens. Raises what the library raises."""
    paths = files.sendable(command.paths, context.output.talk)
    store = context.api.TrustStore()
    record = store.get(command.device)
    settings = context.api.Settings(timeout=command.timeout, port=command.port, gives=True)
    async with context.api.reach(record.device_id, settings, store=store) as reaching:
        await pair_and_carry(reaching, context.output, send=paths, selection=command.selection)
