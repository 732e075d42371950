"""Texts between two command lines: a message of the session each, and an answer to it (docs/payload.md).

A text is shown or refused on the other side, and its sender is told which: a script can trust the exit code.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from localpair.errors import TransferError
from localpair.limits import APPROVAL_S, TEXT_BYTES

if TYPE_CHECKING:
    from localpair.session import Session

_KIND: Final = "localpair-text"
_PATIENCE_S: Final = APPROVAL_S + 15.0  # a person may be asked there, and the network may break meanwhile


def encoded(text: str) -> bytes:
    """A text as a message."""
    return json.dumps({_KIND: 1, "text": text}, ensure_ascii=False).encode("utf-8")


def answer(refusal: str = "") -> bytes:
    """The answer to a text: taken, or refused for a reason."""
    return json.dumps({_KIND: 1, "taken": not refusal, "reason": refusal}, ensure_ascii=False).encode("utf-8")


def text_in(message: bytes) -> str | None:
    """The text in a message of the peer; None where it is something else, or longer than a text can be."""
    text = _fields(message).get("text")
    if not isinstance(text, str):
        return None
    try:
        return text if len(text.encode("utf-8")) <= TEXT_BYTES else None
    except UnicodeEncodeError:  # half of a surrogate pair
        return None


async def send(session: Session, text: str) -> None:
    """Send a text, and wait until the other side has taken it. Raises TransferError where it does not."""
    await session.send_message(encoded(text))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for message in session.messages():
                fields = _fields(message)
                if fields.get("taken") is True:
                    return
                if fields.get("taken") is False:
                    raise TransferError(f"the text was not taken: {_reason(fields)}")
    except TimeoutError:
        raise TransferError("the other device has not said that it took the text") from None
    raise TransferError("the other device ended the session and has not said that it took the text")


def _reason(fields: dict[str, object]) -> str:
    reason = fields.get("reason")
    return reason[:200] if isinstance(reason, str) and reason else "no reason was given"


def _fields(message: bytes) -> dict[str, object]:
    try:
        found = json.loads(message.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and _KIND in found else {}
