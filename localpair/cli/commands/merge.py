"""``localpair diagnose --merge``: two devices' reports, and the one verdict that they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.causes.records.codec import FactsError, to_dict
from localpair.causes.records.report_code import parse
from localpair.causes.records.reports import REPORT_BYTES, is_code, judge_reports, read_report
from localpair.cli.output.explained import show_verdict
from localpair.cli.terminal.text import printable
from localpair.errors import UsageError

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts
    from localpair.cli.context import Context
    from localpair.cli.options.diagnose import Diagnose

_WHOSE: Final = ("this device", "the other device")
_INPUT_LINES: Final = 10_000  # that are searched for a code


async def run(command: Diagnose, context: Context) -> None:
    """Judge two reports. Raises UsageError where one cannot be read."""
    named = command.merge or ()
    mine, theirs = [await _facts(place, number, context) for number, place in _places(named)]
    show_verdict(
        judge_reports(mine, theirs), context.output, {"facts": to_dict(mine), "claimed": to_dict(theirs)}
    )


def _places(named: tuple[str, ...]) -> list[tuple[int, str]]:
    """Both places in order; what is not named is asked for."""
    return list(enumerate((*named, "-", "-")[: len(_WHOSE)]))


async def _facts(place: str, number: int, context: Context) -> RunFacts:
    whose = _WHOSE[number]
    try:
        if place == "-":
            return await _asked(whose, context)
        if is_code(place):
            return parse(place)
        return _in_file(Path(place))
    except FactsError as error:
        raise UsageError(
            f"the report of {whose} cannot be read: {printable(error.message)}",
            hint=error.hint or "Give the report code, or the file, that was made there.",
        ) from None


async def _asked(whose: str, context: Context) -> RunFacts:
    """The next code on standard input, or what is typed."""
    keyboard = context.keyboard
    if keyboard.interactive:
        typed = await keyboard.ask(f"Report code of {whose}:")
        return parse(typed or "")
    for _ in range(_INPUT_LINES):
        line = await keyboard.line()
        if line is None:
            break
        if is_code(line):
            return parse(line)
    raise FactsError("standard input holds no report code")


def _in_file(path: Path) -> RunFacts:
    try:
        with path.open("rb") as file:
            raw = file.read(REPORT_BYTES + 1)
    except OSError as error:
        raise FactsError(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(raw) > REPORT_BYTES:
        raise FactsError(f"it has more than {REPORT_BYTES} bytes")
    return read_report(raw.decode(errors="replace")).facts
