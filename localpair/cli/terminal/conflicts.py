"""Questions about files whose names are taken, with answers that may hold for all that follow."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from localpair.choices.terms import Existing
from localpair.cli.output import results
from localpair.cli.terminal.text import printable, size

if TYPE_CHECKING:
    from localpair.choices.terms import NameConflict
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.keyboard import Keyboard

_QUESTION: Final = "Keep the old one, take the new one, or store both? [o/n/B]"
_ALL: Final = "o!, n! and b! hold for all that follow."
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ANSWERS: Final = {
    **dict.fromkeys(("o", "old"), Existing.SKIP),
    **dict.fromkeys(("n", "new"), Existing.REPLACE),
    **dict.fromkeys(("b", "both", ""), Existing.RENAME),
}


class ConflictQuestions:
    """Asks about one transfer, one question at a time."""

    def __init__(self, keyboard: Keyboard, output: Output) -> None:
        self._keyboard = keyboard
        self._output = output
        self._for_all: Existing | None = None

    async def resolve(self, conflict: NameConflict) -> Existing:
        """What becomes of a file whose name is taken."""
        if self._for_all is not None:
            return self._for_all
        resume = self._output.talk.pause()
        try:
            return await self._ask(conflict)
        finally:
            resume()

    async def _ask(self, conflict: NameConflict) -> Existing:
        self._output.show(results.ConflictAsked(conflict))
        talk = self._output.talk
        old = _described(conflict.standing_size, conflict.standing_mtime_ns)
        new = _described(conflict.size, conflict.mtime_ns)
        talk.note(f"{printable(str(conflict.path))} is here already. The old one: {old}. The new one: {new}.")
        while True:
            answer = await self._keyboard.ask(_QUESTION)
            word = "" if answer is None else answer.strip().lower()
            choice = _ANSWERS.get(word.removesuffix("!"))
            if choice is None:
                talk.note(f"Please answer o, n or b; Enter alone means both. {_ALL}")
                continue
            if word.endswith("!") or answer is None:
                self._for_all = choice
            return choice


def _described(count: int, mtime_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=mtime_ns // 1000)
    with contextlib.suppress(OSError, OverflowError, ValueError):  # a date without a local time
        moment = moment.astimezone()
    return f"{size(count)}, {moment:%Y-%m-%d %H:%M}"
