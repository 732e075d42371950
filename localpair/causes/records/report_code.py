"""The report code: a device's facts as a text that a person carries, where no packet gets through.

``LR:`` and the upper-case base32 of the compact facts and their CRC-32. It holds addresses and is no secret; the check
catches what copying does to it, and proves nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from localpair.causes.records.codec import FactsError
from localpair.causes.records.compact import decode
from localpair.causes.records.telling import packed
from localpair.limits import REPORT_CODE_BYTES, REPORT_CODE_CHARS
from localpair.wire.base32 import checked_bodies, spell_checked

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts

PREFIX: Final = "LR:"
_START: Final = re.compile(PREFIX, re.IGNORECASE | re.ASCII)
_COPY: Final = "Copy the whole code again from the other device, from LR: to its last character."


def code_of(facts: RunFacts) -> str:
    """The code for these facts."""
    return PREFIX + spell_checked(packed(facts, REPORT_CODE_BYTES))


def parse(text: str) -> RunFacts:
    """The facts of the one report code in ``text``, with talk around it or not. Raises FactsError."""
    if len(text) > REPORT_CODE_CHARS:
        raise FactsError(f"the text is too long for a report code: {len(text)} characters", hint=_COPY)
    starts = [text[match.end() :] for match in _START.finditer(text)]
    if not starts:
        raise FactsError("the text is no report code: LR: is missing", hint=_COPY)
    bodies = checked_bodies(starts)
    if len(bodies) > 1:
        raise FactsError("the text holds more than one report code", hint="Give one at a time.")
    if not bodies:
        raise FactsError("the report code is damaged: a character is wrong or its end is missing", hint=_COPY)
    return decode(bodies.pop())
