"""One run of the command line: a command in, an exit code out, whatever happens in between."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, cast

from localpair.cli.api import installed
from localpair.cli.context import Context
from localpair.cli.output.failures import explain
from localpair.cli.output.output import Output
from localpair.cli.terminal.keyboard import standard_input
from localpair.cli.terminal.messages import debugging, route_logs
from localpair.cli.terminal.signals import CLOSED, Interruption
from localpair.cli.terminal.streams import forget_unwritten
from localpair.errors import LocalError

if TYPE_CHECKING:
    from localpair.cli.api import Api
    from localpair.cli.command import Command, RunnerModule
    from localpair.cli.output.results import RunFailure
    from localpair.errors import UsageError
    from localpair.trace import Trace


def refuse(error: UsageError, *, json: bool) -> int:
    """End before anything has begun: the words make no command."""
    _escape_what_cannot_be_shown()
    Output(sys.stdout, sys.stderr, json=json).failed(explain(error))
    forget_unwritten()
    return error.exit_code


def execute(command: Command, api: Api | None = None, missing: frozenset[str] = frozenset()) -> int:
    """Run ``command`` to its end and return the exit code; output ends with exactly one ``done`` or ``failed``.

    ``missing`` names the streams that were closed from the start.
    """
    _escape_what_cannot_be_shown()
    needed = command.json or command.needs_output or command.writes_payload
    shown = sys.stderr if command.writes_payload else sys.stdout
    output = Output(shown, sys.stderr, json=command.json, listing=command.lists_devices, needed=needed)
    if "stdout" in missing:
        output.close()
        if output.lost is not None:
            output.failed(output.lost)
            forget_unwritten()
            return output.lost.exit_code
    try:
        trace = _followed_trace()
    except LocalError as error:
        output.failed(explain(error))
        forget_unwritten()
        return error.exit_code
    handler = route_logs(output.talk)
    try:
        with Interruption(output.failed) as interruption, asyncio.Runner() as runner:
            output.on_lost = lambda: interruption.stop(CLOSED, output.lost)
            # Imports before the loop runs: they take a tenth of a second, during which it could do nothing else.
            work = _runner(command)
            code = runner.run(_main(work, command, api, output, interruption, sees="stderr" not in missing))
    finally:
        logging.getLogger().removeHandler(handler)
        if trace is not None:
            trace.stop_following()
        forget_unwritten()
    return code


def _runner(command: Command) -> RunnerModule:
    """The module that does it; it is imported for this command only."""
    return cast("RunnerModule", import_module(f"localpair.cli.commands.{command.runner}"))


def _followed_trace() -> Trace | None:
    """The trace where the environment names a file for it. Raises LocalError where that cannot be written."""
    if not os.environ.get("LOCALPAIR_TRACE"):
        return None
    from localpair.trace import TRACE  # it knows the protocol, which few commands need

    TRACE.follow_environment()
    return TRACE


async def _main(
    work: RunnerModule,
    command: Command,
    api: Api | None,
    output: Output,
    interruption: Interruption,
    *,
    sees: bool,
) -> int:
    """``sees``: a person sees the questions."""
    interruption.attach()
    animation = asyncio.create_task(output.animate())
    failure: RunFailure | None
    try:
        keyboard = standard_input(output.talk, sees=sees)
        await work.run(command, Context(api or installed(), output, keyboard))
        failure = output.lost or interruption.failure()  # a report is finished in spite of an interruption
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the last stop of every error
        if debugging():
            traceback.print_exception(error)
        failure = output.lost or interruption.failure() or explain(error)
    finally:
        animation.cancel()
    if failure is None:
        output.done()
    else:
        output.failed(failure)
    late = output.lost  # perhaps only the last line was not taken
    if late is not None and failure is None and late.reason != "closed":
        output.talk.failure(late)
    failure = late or failure
    return failure.exit_code if failure is not None else output.exit_code


def _escape_what_cannot_be_shown() -> None:
    """A terminal that knows few characters gets escapes for the others: a name must not end the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
