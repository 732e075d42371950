"""The command line: a thin user of the public API. What it can do, a program can.

``localpair --version`` is asked by scripts and must be quick, so that nothing is imported before it is needed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair.cli.api import Api
    from localpair.cli.options import Command

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, api: Api | None = None) -> int:
    """Run ``arguments`` (default: those of the process) and return the exit code.

    ``api`` takes the place of the package ``localpair``, for tests.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if words == ["--version"]:
            return _version()
        command = _parsed(words)
        if isinstance(command, int):
            return command
        from localpair.cli.run import execute

        return execute(command, api)
    except KeyboardInterrupt:  # while modules are imported; later on an interrupt is handled in the run
        return 130


def _version() -> int:
    from localpair._version import __version__

    sys.stdout.write(f"localpair {__version__}\n")
    return 0


def _parsed(words: Sequence[str]) -> Command | int:
    """The command, or the exit code where there is none to run."""
    from localpair.cli.arguments import parse
    from localpair.errors import UsageError

    try:
        return parse(words)
    except UsageError as error:
        from localpair.cli.run import refuse

        return refuse(error, json="--json" in words)
    except SystemExit as ending:  # argparse has printed the help
        return ending.code if isinstance(ending.code, int) else 0
