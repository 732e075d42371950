"""What every command is handed: the API, where output goes, and the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from localpair.cli.api import Api
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.keyboard import Keyboard


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one run."""

    api: Api
    output: Output
    keyboard: Keyboard
