"""When a search is given up: no offered address leads to the offer's issuer, and another key answers there, or the
issuer's own later run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from localpair.address import IPAddress, unscoped
from localpair.events import Attempt, Flaw, Phase
from localpair.limits import OTHER_KEY_S


class OtherKeys:
    """Watches the dials of the offered addresses. One wrong key alone ends nothing: an address may have gone to another
    device, and the issuer is found at another one, or heard.
    """

    def __init__(self, offered: Iterable[IPAddress]) -> None:
        self._offered = frozenset(map(unscoped, offered))
        self._since: float | None = None

    def is_over(self, attempts: Iterable[Attempt], not_called: Collection[IPAddress], now: float) -> bool:
        """Whether each offered address has answered with another key or not at all, at least one with a key, and
        OTHER_KEY_S have gone by since the last of them; or whether a later run of the issuer has answered, which its
        earlier secret shows. ``not_called`` are those that this side does not dial.
        """
        attempts = list(attempts)
        if any(one.flaw is Flaw.LATER_RUN for one in attempts):
            return True
        answers: dict[IPAddress, set[Flaw | None]] = {}
        for attempt in attempts:
            if not attempt.candidate.dial_from:
                answers.setdefault(attempt.candidate.address, set()).add(_answer(attempt))
        called = self._offered - {unscoped(one) for one in not_called}
        strangers = [place for place in called if answers.get(place) and None not in answers[place]]
        has_key = any(Flaw.OTHER_KEY in answers[place] for place in strangers)
        if len(strangers) < len(called) or not has_key:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= OTHER_KEY_S


def _answer(attempt: Attempt) -> Flaw | None:
    """What a dial has shown: another key, nobody (no flaw), or None for anything that may still be the issuer."""
    if attempt.flaw is Flaw.OTHER_KEY:
        return Flaw.OTHER_KEY
    return Flaw.NONE if attempt.phase is Phase.CONNECT and attempt.outcome == "failed" else None
