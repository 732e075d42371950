"""``localpair completion``: what a shell needs to complete the command line, and the manual page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair._version import __version__
from localpair.cli.arguments import whole_parser
from localpair.cli.shell import completions, manual, tree

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.completion import Completion


async def run(command: Completion, context: Context) -> None:
    """Write it to standard output."""
    context.output.draw(text(command.shell).rstrip("\n"))


def text(shell: str) -> str:
    """The completion for ``shell``, or the page for ``man``."""
    root = tree.read(whole_parser())
    match shell:
        case "man":
            return manual.page(root, __version__)
        case "bash":
            return completions.bash(root)
        case "zsh":
            return completions.zsh(root)
        case _:
            return completions.fish(root)
