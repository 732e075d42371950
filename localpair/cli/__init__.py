"""The command line: a thin user of the public API. What it can do, a program can.

``localpair --version`` is asked by scripts and must be quick, so that nothing is imported before it is needed.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from localpair.cli.terminal import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair.cli.api import Api
    from localpair.cli.command import Command

__all__ = ["main"]

_OBJECTS_UNTIL_COLLECTED = 20_000
"""What imports make is hardly ever garbage: with Python's own 700, a sixth of their time is spent looking for some."""


def main(arguments: Sequence[str] | None = None, api: Api | None = None) -> int:
    """Run ``arguments`` (default: those of the process) and return the exit code.

    ``api`` takes the place of the package ``localpair``, for tests.
    """
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTED)
    words = sys.argv[1:] if arguments is None else list(arguments)
    missing = streams.complete()
    try:
        if words == ["--version"]:
            return streams.say(_version(), missing)
        command = _parsed(words, missing)
        if isinstance(command, int):
            return command
        from localpair.cli.run import execute

        return execute(command, api, missing)
    except KeyboardInterrupt:  # while modules are imported; later on an interrupt is handled in the run
        return 130


def _version() -> str:
    from localpair._version import __version__

    return f"localpair {__version__}\n"


def _parsed(words: Sequence[str], missing: frozenset[str]) -> Command | int:
    """The command, or the exit code where there is none to run."""
    import contextlib
    import io

    from localpair.cli.arguments import parse
    from localpair.errors import UsageError

    page = io.StringIO()
    try:
        with contextlib.redirect_stdout(page):  # argparse passes over what a stream does not take
            return parse(words)
    except UsageError as error:
        from localpair.cli.run import refuse

        return refuse(error, json="--json" in words)
    except SystemExit:  # the help was asked for
        return streams.say(page.getvalue(), missing)
