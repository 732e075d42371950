"""``localpair devices``: its options. What it does is in `localpair.cli.commands.devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from localpair.choices.rules import Acceptance
from localpair.cli.command import Command
from localpair.cli.options import shared, types
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

HELP: Final = """\
Shows the devices that this one is paired with, and changes what is kept about
them. A device is named by its name, its id, or the beginning of its id.

examples:
  localpair devices
  localpair devices rename 3f2a kitchen
  localpair devices forget kitchen     it and its keys: it is a stranger then
  localpair devices revoke kitchen     refuse it from now on
  localpair devices rules kitchen --accept always   store what it sends unasked
  localpair devices parts              files that did not arrive whole
"""
_PARTS_HELP: Final = """\
Lists the parts of files that did not arrive whole, in the folders that this
device has received into. Sending such a file again goes on where it stood.
Parts that are too old or too many are removed, and named.

examples:
  localpair devices parts
  localpair devices parts kitchen --remove
"""
_RULES_HELP: Final = """\
Shows what happens to files that a paired device sends, or changes it. What is
not given stays as it is. A running `localpair listen` goes by it at once.

examples:
  localpair devices rules kitchen
  localpair devices rules kitchen --accept always --receive ~/Pictures
  localpair devices rules kitchen --max-size 2G
  localpair devices rules kitchen --accept never
  localpair devices rules kitchen --reset
"""


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What is to change in the rule for a device: what is None stays, unless ``reset`` takes the rule back first."""

    accept: Acceptance | None = None
    receive: Path | None = None
    max_size: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Devices(Command):
    """What the trust store holds, and changes to it."""

    action: Literal["list", "rename", "rules", "parts", "forget", "revoke"] = "list"
    device: str = ""
    name: str = ""
    rule: RuleOptions = RuleOptions()
    remove: bool = False  # the parts that ``parts`` lists

    @property
    def needs_output(self) -> bool:
        """What is listed is shown there."""
        return self.action == "list" or (self.action == "parts" and not self.remove)


def add_options(parser: ArgumentParser) -> None:
    """Declare the actions, and the options of each."""
    shared.add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    shared.add_json(actions.add_parser("list", help="show them (default)", allow_abbrev=False), nested=True)
    for name, summary in (("forget", "remove a device"), ("revoke", "refuse a device from now on")):
        action = actions.add_parser(name, help=summary, allow_abbrev=False)
        action.add_argument("device", metavar="DEVICE")
        shared.add_json(action, nested=True)
    rename = actions.add_parser("rename", help="give a device a name of your own", allow_abbrev=False)
    rename.add_argument("device", metavar="DEVICE")
    rename.add_argument("name", metavar="NAME", type=types.label)
    shared.add_json(rename, nested=True)
    _add_parts(
        actions.add_parser("parts", help="files that did not arrive whole", **shared.page(_PARTS_HELP))
    )
    _add_rules(actions.add_parser("rules", help="what happens to what it sends", **shared.page(_RULES_HELP)))


def _add_parts(parser: ArgumentParser) -> None:
    parser.add_argument(
        "device", metavar="DEVICE", nargs="?", default="", help="only those that this device sent"
    )
    parser.add_argument("--remove", action="store_true", help="removes all that are listed")
    shared.add_json(parser, nested=True)


def _add_rules(parser: ArgumentParser) -> None:
    parser.add_argument("device", metavar="DEVICE")
    parser.add_argument(
        "--accept",
        choices=[str(one) for one in Acceptance],
        help="store what it sends unasked, ask a person each time (default), or refuse it",
    )
    parser.add_argument(
        "--receive",
        metavar="DIR",
        type=types.folder,
        help="store what it sends in DIR, wherever the rest goes",
    )
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=types.size,
        help="stop a transfer of it that brings more, such as 500M or 2 GB",
    )
    parser.add_argument(
        "--reset", action="store_true", help="take the rule back, before what else is given is set"
    )
    shared.add_json(parser, nested=True)


def build(given: Namespace) -> Devices:
    """The command with the options that were given."""
    return Devices(
        action=given.action or "list",
        device=getattr(given, "device", ""),
        name=getattr(given, "name", ""),
        json=given.json,
        rule=_rule(given) if given.action == "rules" else RuleOptions(),
        remove=getattr(given, "remove", False),
    )


def _rule(given: Namespace) -> RuleOptions:
    accept = None if given.accept is None else Acceptance(given.accept)
    return RuleOptions(accept, given.receive, given.max_size, given.reset)
