"""What a command is to the rest of the command line: the value of its options, and the two modules that belong to it.

Two, since ``--help`` has to answer at once: what a command does needs half of the package, its options need none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from localpair.cli.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person asked for. ``json``: events go to standard output."""

    json: bool = False

    @property
    def needs_output(self) -> bool:
        """Whether it is of no use without standard output: it shows what was asked for there, or the offer."""
        return True

    @property
    def writes_payload(self) -> bool:
        """Whether what is received goes to standard output, which has no place for anything else then."""
        return False

    @property
    def lists_devices(self) -> bool:
        """Whether the devices that are near are its result, and no talk."""
        return False

    @property
    def runner(self) -> str:
        """The module in `localpair.cli.commands` that does it; usually it has the name of its options' module."""
        return type(self).__module__.rpartition(".")[2]


class OptionsModule(Protocol):
    """A module in `localpair.cli.options`: the page of a command's help, its options, and what they come to."""

    HELP: str

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the options."""

    def build(self, given: Namespace) -> Command:
        """The command with the options that were given. Raises UsageError for what does not go together."""


class RunnerModule(Protocol):
    """A module in `localpair.cli.commands`: what a command does."""

    async def run(self, command: Any, context: Context) -> None:
        """Do it. Raises what the library raises. Each takes the value of its own options."""
