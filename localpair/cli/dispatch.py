"""Which module runs which command. Each is imported for its own command only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli import options

if TYPE_CHECKING:
    from localpair.cli.context import Context


async def dispatch(command: options.Command, context: Context) -> None:
    """Run ``command``. Raises what it raises."""
    match command:
        case options.Host():
            from localpair.cli.commands import host

            await host.run(command, context)
        case options.Join():
            from localpair.cli.commands import join

            await join.run(command, context)
        case options.Discover():
            from localpair.cli.commands import discover

            await discover.run(command, context)
        case options.Addresses():
            from localpair.cli.commands import addresses

            await addresses.run(command, context)
        case options.Diagnose() if command.merge is not None:
            from localpair.cli.commands import merge

            await merge.run(command, context)
        case options.Diagnose():
            from localpair.cli.commands import diagnose

            await diagnose.run(command, context)
        case options.Devices():
            from localpair.cli.commands import devices

            await devices.run(command, context)
        case options.Send():
            from localpair.cli.commands import send

            await send.run(command, context)
        case options.Listen():
            from localpair.cli.commands import listen

            await listen.run(command, context)
