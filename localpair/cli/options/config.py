"""``localpair config``: its options. What it does is in `localpair.cli.commands.config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Shows which configuration file is read, and what it adds to each command. The
file is TOML, with a table for each command and one called all; its keys are
the long options. The command line counts before the command's table, that one
before all, and all before what is usual: --no-yes takes yes = true back.
LOCALPAIR_CONFIG names another file, or none.

examples:
  [all]
  port = 46825

  [listen]
  receive = "~/Downloads"
  existing = "skip"

  [send]
  exclude = [".git", "*.o"]
"""


@dataclass(frozen=True, slots=True)
class Config(Command):
    """What the configuration file says."""


def add_options(parser: ArgumentParser) -> None:
    """It has none."""


def build(_: Namespace) -> Config:
    """The command."""
    return Config()
