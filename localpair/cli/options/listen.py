"""``localpair listen``: its options. What it does is in `localpair.cli.commands.listen`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.choices.terms import USUAL, Terms
from localpair.cli.command import Command
from localpair.cli.options import shared

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Waits for paired devices and stores what they send, until it is interrupted.
Before anything is stored a person is asked, unless --yes is given.

examples:
  localpair listen --receive ~/Downloads
  localpair listen --yes --once --timeout 60
"""


@dataclass(frozen=True, slots=True)
class Listen(Command):
    """Take what paired devices send. ``timeout`` in seconds; None: until interrupted."""

    receive: Path
    timeout: float | None = None
    once: bool = False
    port: int = 0
    terms: Terms = USUAL
    yes: bool = False

    @property
    def needs_output(self) -> bool:
        """What comes is stored."""
        return False


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--receive",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="store what comes in DIR (default: the current folder)",
    )
    shared.add_terms(parser)
    parser.add_argument("--once", action="store_true", help="end after the first device has come and gone")
    shared.add_yes(parser)
    shared.add_port(parser)
    shared.add_timeout(parser, None, "none")
    shared.add_json(parser)


def build(given: Namespace) -> Listen:
    """The command with the options that were given. Raises UsageError for what does not go together."""
    return Listen(
        given.receive,
        given.timeout,
        given.once,
        given.port,
        shared.terms(given),
        given.yes,
        json=given.json,
    )
