"""Which module runs which command. Each is imported for its own command only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import commands

if TYPE_CHECKING:
    from localpair.cli.context import Context


async def dispatch(command: commands.Command, context: Context) -> None:
    """Run ``command``. Raises what it raises."""
    match command:
        case commands.Host():
            from localpair.cli import host

            await host.run(command, context)
        case commands.Join():
            from localpair.cli import join

            await join.run(command, context)
        case commands.Discover():
            from localpair.cli import discover

            await discover.run(command, context)
        case commands.Addresses():
            from localpair.cli import addresses

            await addresses.run(command, context)
        case commands.Diagnose():
            from localpair.cli import diagnose

            await diagnose.run(command, context)
        case commands.Devices():
            from localpair.cli import devices

            await devices.run(command, context)
        case commands.Send():
            from localpair.cli import send

            await send.run(command, context)
        case commands.Listen():
            from localpair.cli import listen

            await listen.run(command, context)
