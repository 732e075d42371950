"""``localpair diagnose --merge``: two devices' reports, and the one verdict that they come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.causes.codec import FactsError, from_dict, to_dict
from localpair.causes.judge import judge
from localpair.causes.report_code import PREFIX, parse
from localpair.causes.telling import masked
from localpair.cli.output.explained import show_verdict
from localpair.cli.terminal.text import printable
from localpair.errors import UsageError
from localpair.limits import FACTS_BYTES

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts
    from localpair.cli.context import Context
    from localpair.cli.options.diagnose import Diagnose

_WHOSE: Final = ("this device", "the other device")
_FILE_BYTES: Final = 4 * FACTS_BYTES  # a whole diagnosis, or the events of a run, with the facts in it
_INPUT_LINES: Final = 10_000  # that are searched for a code


async def run(command: Diagnose, context: Context) -> None:
    """Judge two reports. Raises UsageError where one cannot be read."""
    named = command.merge or ()
    mine, theirs = [await _facts(place, number, context) for number, place in _places(named)]
    verdict = judge(_claimed(mine), _claimed(theirs))
    show_verdict(verdict, context.output, {"facts": to_dict(mine), "claimed": to_dict(theirs)})


def _places(named: tuple[str, ...]) -> list[tuple[int, str]]:
    """Both places in order; what is not named is asked for."""
    return list(enumerate((*named, "-", "-")[: len(_WHOSE)]))


def _claimed(facts: RunFacts) -> RunFacts:
    """A record that somebody handed over. A port in it is nobody's word: the usual ones are named in commands."""
    return masked(replace(facts, tcp_port=0))


async def _facts(place: str, number: int, context: Context) -> RunFacts:
    whose = _WHOSE[number]
    try:
        if place == "-":
            return await _asked(whose, context)
        if PREFIX in place.upper():
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
        if PREFIX in line.upper():
            return parse(line)
    raise FactsError("standard input holds no report code")


def _in_file(path: Path) -> RunFacts:
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise FactsError(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(raw) > _FILE_BYTES:
        raise FactsError(f"it has more than {_FILE_BYTES} bytes")
    text = raw.decode(errors="replace")
    found = [facts for piece in (text, *text.splitlines()) if (facts := _record_in(piece)) is not None]
    return from_dict(found[-1]) if found else parse(text)


def _record_in(text: str) -> object | None:
    """The facts in a report or in an event, which are JSON; None where there are none."""
    if '"facts"' not in text and '"run"' not in text:
        return None
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Mapping):
        return None
    run, facts = found.get("run"), found.get("facts")
    record: object = run if isinstance(run, Mapping) else facts
    return record if isinstance(record, Mapping) and "role" in record else None
