"""``localpair completion``: its options. What it does is in `localpair.cli.commands.completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.cli.command import Command
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

HELP: Final = """\
Prints what makes a shell complete the commands, options, files and paired
devices, or the manual page.

examples:
  source <(localpair completion bash)                  in ~/.bashrc
  localpair completion zsh > ~/.zfunc/_localpair       with ~/.zfunc in $fpath
  localpair completion fish > ~/.config/fish/completions/localpair.fish
  localpair completion man > ~/.local/share/man/man1/localpair.1
"""


@dataclass(frozen=True, slots=True)
class Completion(Command):
    """Completion for a shell, or the manual page."""

    shell: str


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "man"))


def build(given: Namespace) -> Completion:
    """The command with the options that were given."""
    return Completion(given.shell)
