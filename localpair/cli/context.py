"""What every command is handed: the API, where output goes, and the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from localpair.cli.api import Api
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.keyboard import Keyboard
    from localpair.transfer.pace import Pace


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one run."""

    api: Api
    output: Output
    keyboard: Keyboard

    def pace(self, rate: int) -> Pace | None:
        """What keeps the run to ``rate`` bytes a second; None for 0, which is no limit."""
        return self.api.Pace(rate) if rate else None
