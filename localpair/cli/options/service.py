"""``localpair service``: its options. What it does is in `localpair.cli.commands.service`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from localpair.cli.command import Command
from localpair.cli.options import shared
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Runs `localpair listen` in the background, at each login of this user: a user
unit of systemd on Linux, an agent of launchd on macOS, a scheduled task on
Windows. What stands behind -- are options of listen.

examples:
  localpair service install -- --receive ~/Downloads --yes
  localpair service install --dry-run -- --receive ~/Downloads --yes
  localpair service status
  localpair service remove
"""


@dataclass(frozen=True, slots=True)
class Service(Command):
    """Install, show or remove the service. ``words`` are options of ``listen``; with ``dry_run`` it is only shown what
    would be written and run.
    """

    action: Literal["install", "status", "remove"]
    words: tuple[str, ...] = ()
    dry_run: bool = False
    allow_root: bool = False

    @property
    def needs_output(self) -> bool:
        """What it would do, and the state, are shown there."""
        return self.dry_run or self.action == "status"


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions, and the options of each."""
    shared.add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", help="write it down and start it", **shared.page(HELP))
    install.add_argument(
        "words", metavar="OPTION", nargs="*", help="an option of listen, behind a -- of its own"
    )
    install.add_argument(
        "--allow-root", action="store_true", help="as root, too: what comes is received as root then"
    )
    remove = actions.add_parser("remove", help="end it and remove it", allow_abbrev=False)
    for action in (install, remove):
        action.add_argument(
            "--dry-run", action="store_true", help="only show what would be written, removed and run"
        )
    status = actions.add_parser("status", help="show whether it is there and runs", allow_abbrev=False)
    for action in (install, status, remove):
        shared.add_json(action, nested=True)


def build(given: Namespace) -> Service:
    """The command with the options that were given."""
    return Service(
        given.action,
        tuple(getattr(given, "words", ())),
        getattr(given, "dry_run", False),
        getattr(given, "allow_root", False),
        json=given.json,
    )
