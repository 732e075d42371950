"""``localpair listen``: its options. What it does is in `localpair.cli.commands.listen`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.choices.terms import USUAL, Terms
from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.cli.options.piped import STANDARD, add_to_clipboard, check_output
from localpair.dataclass import dataclass
from localpair.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Waits for paired devices and stores what they send, until it is interrupted.
Before anything is stored a person is asked, unless --yes is given.

examples:
  localpair listen --receive ~/Downloads
  localpair listen --yes --once --timeout 60
  localpair listen --yes --once --receive - | psql shop
"""


@dataclass(frozen=True, slots=True)
class Listen(Command):
    """Take what paired devices send. ``timeout`` in seconds; None: until interrupted. ``limit_rate`` in bytes a second;
    0: no limit.
    """

    receive: Path
    timeout: float | None = None
    once: bool = False
    port: int = 0
    terms: Terms = USUAL
    yes: bool = False
    to_clipboard: bool = False
    on_receive: str | None = None
    limit_rate: int = 0

    @property
    def needs_output(self) -> bool:
        """What comes is stored."""
        return False

    @property
    def writes_payload(self) -> bool:
        """Whether standard output takes the place of a folder."""
        return self.receive == STANDARD


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--receive",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="store what comes in DIR (default: the current folder); - writes one file to standard output, with "
        "--once",
    )
    add_to_clipboard(parser)
    parser.add_argument(
        "--on-receive",
        metavar="PROGRAM",
        help="start PROGRAM after each transfer; its environment says what came from whom (docs/cli.md)",
    )
    shared.add_terms(parser)
    shared.add_rate(parser)
    parser.add_argument("--once", action="store_true", help="end after the first device has come and gone")
    shared.add_yes(parser)
    shared.add_port(parser)
    shared.add_timeout(parser, None, "none")
    shared.add_json(parser)


def build(given: Namespace) -> Listen:
    """The command with the options that were given. Raises UsageError for what does not go together."""
    check_output(given)
    if given.receive == STANDARD and given.on_receive is not None:
        raise UsageError(
            "--receive - leaves no file that --on-receive could be told of", hint="Leave one of the two out."
        )
    if given.receive == STANDARD and not given.once:
        raise UsageError(
            "listen --receive - takes one transfer only: nothing would part the next one from it",
            hint="Add --once.",
        )
    return Listen(
        given.receive,
        given.timeout,
        given.once,
        given.port,
        shared.terms(given),
        given.yes,
        given.to_clipboard,
        given.on_receive,
        given.limit_rate,
        json=given.json,
    )
