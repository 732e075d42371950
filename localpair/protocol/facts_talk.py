"""The talk about facts with one peer: a question, its answer in a few parts, and the peer's question back.

The side that asks names a fresh token and accepts nothing but an answer to it, so that no recording is taken for one.
Within one round trip both have the other one's record as it is now.
"""

from __future__ import annotations

from collections import deque

from localpair.limits import FACTS_CHUNK_BYTES
from localpair.wire.beacon import NO_TOKEN, FactsPart

_REMEMBERED = 8  # questions of the peer that were answered


class FactsTalk:
    """One side's part in the talk with one peer."""

    def __init__(self) -> None:
        self._question = NO_TOKEN
        self._parts: dict[int, FactsPart] = {}
        self._answered: deque[bytes] = deque(maxlen=_REMEMBERED)

    def ask(self, token: bytes) -> FactsPart:
        """A question, in place of an earlier one. ``token`` is fresh and cannot be guessed."""
        self._question = token
        self._parts.clear()
        return FactsPart(token)

    def asked(self, part: FactsPart) -> bytes | None:
        """The peer's question in ``part``, where there is one that was not answered yet."""
        if part.question == NO_TOKEN or part.question in self._answered:
            return None
        self._answered.append(part.question)
        return part.question

    def answer(self, question: bytes, facts: bytes, token: bytes = NO_TOKEN) -> list[FactsPart]:
        """The answer to the peer's question. With ``token`` it asks back."""
        chunks = [
            facts[at : at + FACTS_CHUNK_BYTES] for at in range(0, max(1, len(facts)), FACTS_CHUNK_BYTES)
        ]
        if token != NO_TOKEN:
            self.ask(token)
        return [
            FactsPart(token if at == 0 else NO_TOKEN, question, at, len(chunks), chunk)
            for at, chunk in enumerate(chunks)
        ]

    def take(self, part: FactsPart) -> bytes | None:
        """The peer's whole record, where ``part`` was the last one that was missing of the answer to our question."""
        if self._question == NO_TOKEN or part.answers != self._question or not part.parts:
            return None
        self._parts.setdefault(part.part, part)
        if len(self._parts) < part.parts or any(one.parts != part.parts for one in self._parts.values()):
            return None
        whole = b"".join(self._parts[at].chunk for at in range(part.parts))
        self._question = NO_TOKEN
        self._parts.clear()
        return whole
