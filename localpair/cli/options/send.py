"""``localpair send``: its options. What it does is in `localpair.cli.commands.send`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.choices.selection import EVERYTHING, Selection
from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.cli.options.piped import NOT_NAMED, STANDARD, Piped, add_piped, piped
from localpair.dataclass import dataclass
from localpair.errors import UsageError
from localpair.limits import ATTEMPT_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Finds a paired device again, wherever it is on the network now, and sends it
files, folders, a text, or what is piped in. It must run `localpair listen`.
With --to several devices get the same; one that fails does not hold up others.

examples:
  localpair send kitchen report.pdf photos/
  localpair send kitchen project --exclude .git --exclude '*.o'
  localpair send kitchen report.pdf --to study --to attic
  localpair send kitchen project --dry-run     shows what that would send
  localpair send kitchen --text "the door code is on the table"
  pg_dump shop | localpair send kitchen - --as shop.sql
"""


@dataclass(frozen=True, slots=True)
class Send(Command):
    """Find paired devices again and send to them. ``timeout`` in seconds, ``limit_rate`` in bytes a second (0: none).

    With ``dry_run`` nobody is called: what would be sent is shown. ``text`` is shown there, before the files; a hyphen
    stands for what standard input holds.
    """

    devices: tuple[str, ...]
    paths: tuple[Path, ...]
    timeout: float
    port: int = 0
    selection: Selection = EVERYTHING
    dry_run: bool = False
    text: str | None = None
    piped: Piped = NOT_NAMED
    limit_rate: int = 0

    @property
    def needs_output(self) -> bool:
        """What would be sent is shown there."""
        return self.dry_run


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("device", metavar="DEVICE", help="its name, its id, or the beginning of its id")
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        type=Path,
        help="a file or folder, or - for what standard input holds",
    )
    parser.add_argument(
        "--text", metavar="TEXT", help="show TEXT on the other screen; - reads it from standard input"
    )
    parser.add_argument(
        "--to",
        metavar="DEVICE",
        action="append",
        default=[],
        help="a device that gets the same; may be given several times",
    )
    add_piped(parser)
    shared.add_selection(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only show what would be sent, left out and renamed; no device is called",
    )
    shared.add_rate(parser)
    shared.add_port(parser)
    shared.add_timeout(parser, ATTEMPT_S)
    shared.add_json(parser)


def build(given: Namespace) -> Send:
    """The command with the options that were given. Raises UsageError for a pattern that is none, and for what does
    not go together.
    """
    if not given.paths and given.text is None:
        raise UsageError(
            "there is nothing to send: no PATH and no --text",
            hint="`localpair send --help` shows what it takes.",
        )
    if given.text == "-" and STANDARD in given.paths:
        raise UsageError("standard input is one text or one file", hint="Leave out one of the hyphens.")
    return Send(
        (given.device, *given.to),
        tuple(given.paths),
        given.timeout,
        given.port,
        shared.selection(given),
        given.dry_run,
        given.text,
        piped(given, given.paths),
        given.limit_rate,
        json=given.json,
    )
