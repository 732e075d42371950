"""Options that several commands have in common. What only one command takes stands in the command's own module."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localpair.choices.selection import EVERYTHING, Links, Selection
from localpair.choices.terms import USUAL, Existing, Terms
from localpair.cli.options import types
from localpair.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def page(text: str) -> dict[str, Any]:
    """The keyword arguments that make argparse show ``text`` as it is written."""
    description, _, examples = text.partition("\n\nexamples:\n")
    return {
        "description": description,
        "epilog": f"examples:\n{examples}" if examples else None,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def add_json(parser: ArgumentParser, *, nested: bool = False) -> None:
    """``--json``, which every command takes."""
    # A nested parser would set its default over what stood before the nested word.
    default = argparse.SUPPRESS if nested else False
    parser.add_argument(
        "--json",
        action="store_true",
        default=default,
        help="write events to standard output, one JSON object a line (docs/cli.md)",
    )


def add_timeout(parser: ArgumentParser, default: float | None, shown: str = "") -> None:
    """``--timeout``; the help shows ``shown`` for a default that is no number."""
    said = shown or f"{default:g}"
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=types.seconds,
        default=default,
        help=f"give up after S seconds (default: {said})",
    )


def add_port(parser: ArgumentParser) -> None:
    """``--port``."""
    parser.add_argument(
        "--port",
        metavar="N",
        type=types.port,
        default=0,
        help="TCP and UDP port to listen on (default: the first free one of 46821 to 46829)",
    )


def add_rate(parser: ArgumentParser) -> None:
    """``--limit-rate``."""
    parser.add_argument(
        "--limit-rate",
        metavar="RATE",
        type=types.rate,
        default=0,
        help="carry at most RATE bytes of files a second each way, such as 500K, 2M or 1.5MiB, at least 16K "
        "(default: no limit)",
    )


def add_yes(parser: ArgumentParser) -> None:
    """``--yes``."""
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask before data is given away or stored (for unattended use)",
    )


def add_stdin(parser: ArgumentParser) -> None:
    """``-``, with which an offer is read from standard input. What else stands there is for `reads_stdin` to refuse."""
    parser.add_argument(
        "source", nargs="?", metavar="-", help="a single hyphen: read the offer from standard input"
    )


def reads_stdin(given: Namespace, hint: str) -> bool:
    """Whether the hyphen was given. Raises UsageError, with ``hint``, for anything else in its place."""
    word: str | None = given.source
    if word not in {None, "-"}:
        raise UsageError(f"{given.command} takes no argument but a hyphen", hint=hint)
    return word == "-"


def add_image(parser: ArgumentParser) -> None:
    """``--image``."""
    parser.add_argument(
        "--image", metavar="FILE", type=Path, help="read the offer from the QR code in this picture"
    )


def add_selection(parser: ArgumentParser) -> None:
    """What of a folder is sent: see `selection`."""
    parser.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out files and folders that match, such as *.tmp, cache/ or photos/raw; may be given several times",
    )
    parser.add_argument(
        "--links",
        choices=[str(one) for one in Links],
        default=str(EVERYTHING.links),
        help="links inside a folder: skip leaves them out (default), follow sends what they point to",
    )


def selection(given: Namespace) -> Selection:
    """The value of what `add_selection` declares. Raises UsageError for a pattern that is none."""
    return Selection(tuple(given.exclude), Links(given.links))


def add_terms(parser: ArgumentParser) -> None:
    """On which terms files are received: see `terms`."""
    parser.add_argument(
        "--max-files",
        metavar="N",
        type=types.number,
        default=USUAL.files,
        help="stop a transfer that brings more files and folders (default: %(default)d)",
    )
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=types.size,
        default=USUAL.size,
        help="stop a transfer that brings more, such as 500M or 2 GB (default: 1 TB)",
    )
    parser.add_argument(
        "--max-depth",
        metavar="N",
        type=types.depth,
        default=USUAL.depth,
        help="refuse what lies in more folders than N (default: %(default)d)",
    )
    parser.add_argument(
        "--allow-hidden",
        action="store_true",
        help="store hidden names and those that programs act on as they are, and in any DIR",
    )
    parser.add_argument(
        "--modes",
        action="store_true",
        help="let files be executable here that are executable there",
    )
    parser.add_argument(
        "--existing",
        choices=[str(one) for one in Existing],
        default=str(USUAL.existing),
        help="what becomes of a file whose name is taken: rename stores both (default), skip keeps the old one, "
        "replace takes the new one, ask asks a person; a file with the same content is not sent again",
    )


def terms(given: Namespace) -> Terms:
    """The value of what `add_terms` declares. Raises UsageError where nobody is asked and somebody is to be."""
    existing = Existing(given.existing)
    if existing is Existing.ASK and given.yes:
        raise UsageError(
            "--existing ask asks, and --yes says that nobody is asked", hint="Leave one of the two out."
        )
    return Terms(
        files=given.max_files,
        size=given.max_size,
        depth=given.max_depth,
        allow_hidden=given.allow_hidden,
        existing=existing,
        modes=given.modes,
    )
