"""``localpair config``: which configuration file is read, and what it adds to each command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from localpair.cli import config
from localpair.cli.arguments import COMMANDS, whole_parser
from localpair.cli.shell import tree
from localpair.cli.terminal.text import printable

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.config import Config


async def run(_: Config, context: Context) -> None:
    """Show it. Raises UsageError for a file that cannot be used."""
    file = config.path()
    if file is None:
        context.output.talk.note(f"{config.VARIABLE} says that no file is read.")
        return
    root, tables = tree.read(whole_parser()), config.read()
    found = {name: config.words(tables, root, name) for name in COMMANDS}
    lines = [f"localpair {name} {shlex.join(words)}" for name, words in found.items() if words]
    state = "" if tables else " (it is not there, or says nothing)"
    context.output.draw("\n".join(printable(line, 2000) for line in [f"{file}{state}", *lines]))
