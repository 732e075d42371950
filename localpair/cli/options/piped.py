"""The options about standard input and output as payload, which several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.cli.options import types
from localpair.dataclass import dataclass
from localpair.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

STANDARD: Final = Path("-")
"""The hyphen that stands for standard input among what is sent, and for standard output in place of a folder."""


@dataclass(frozen=True, slots=True)
class Piped:
    """What standard input holds where it is sent: its name, and the number of its bytes where that is known."""

    name: str = "standard-input"
    size: int | None = None


NOT_NAMED: Final = Piped()
"""What holds where nobody says otherwise."""


def add_piped(parser: ArgumentParser) -> None:
    """``--as`` and ``--size``."""
    parser.add_argument(
        "--as",
        metavar="NAME",
        dest="as_name",
        type=types.file_name,
        help="what the file is called that standard input holds (default: standard-input)",
    )
    parser.add_argument(
        "--size",
        metavar="SIZE",
        type=types.size,
        help="fail unless standard input holds so many bytes",
    )


def add_to_clipboard(parser: ArgumentParser) -> None:
    """``--to-clipboard``."""
    parser.add_argument(
        "--to-clipboard",
        action="store_true",
        help="put texts that come into the clipboard instead of on the screen",
    )


def piped(given: Namespace, paths: Sequence[Path]) -> Piped:
    """The value of what `add_piped` declares. Raises UsageError where none of ``paths`` is standard input."""
    if STANDARD not in paths and (given.as_name is not None or given.size is not None):
        raise UsageError(
            "--as and --size are about what standard input holds, which is not sent",
            hint="Name it with a hyphen, as in `localpair send kitchen - --as dump.sql`.",
        )
    return Piped(given.as_name or NOT_NAMED.name, given.size)


def check_output(given: Namespace) -> None:
    """Raise UsageError where standard output is to take what comes, and the events as well."""
    if given.receive == STANDARD and given.json:
        raise UsageError(
            "--json and --receive - both write to standard output", hint="Leave one of the two out."
        )
