"""Where ``join`` gets the offer from: prompt, standard input, environment, a picture or a camera. Never ``argv``."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from localpair.errors import OfferError, UsageError
from localpair.limits import OFFER_LIFETIME_S
from localpair.wire.offer import Offer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

    from localpair.cli.context import Context
    from localpair.cli.options.diagnose import Diagnose
    from localpair.cli.options.join import Join
    from localpair.cli.terminal.keyboard import Keyboard

VARIABLE: Final = "LOCALPAIR_OFFER"
_TRIES: Final = 3  # at the prompt
_PASTE_S: Final = 0.2  # the lines of one paste arrive together
_INPUT_LINES: Final = 10_000  # of standard input that are searched
_LOOK_S: Final = 0.25  # between two looks for a picture that another program is to write


class OfferSource:
    """A place to read the offer from. Nothing is read, and no question asked, before it is awaited.

    ``limit`` in seconds bounds the wait; None: until a person has found the offer.
    """

    def __init__(self, read: Callable[[], Awaitable[Offer]], limit: float | None = None) -> None:
        self._read = read
        self._limit = limit

    def __await__(self) -> Generator[Any, Any, Offer]:
        return self._bounded().__await__()

    async def _bounded(self) -> Offer:
        try:
            async with asyncio.timeout(self._limit):
                return await self._read()
        except TimeoutError:
            raise OfferError(
                f"no offer came within {self._limit:g} s", hint="A longer --timeout waits longer."
            ) from None


def is_given(command: Diagnose) -> bool:
    """Whether a diagnosis is to test towards the device of an offer."""
    return command.offer or command.stdin or command.image is not None or bool(os.environ.get(VARIABLE))


def source(command: Join | Diagnose, context: Context) -> OfferSource:
    """Where the offer comes from. Raises `UsageError` unless there is exactly one place.

    The variable is removed from the environment, so that no child process and no error report finds it.
    """
    variable = os.environ.pop(VARIABLE, None)
    image = command.image
    camera: str | None = getattr(command, "camera", None)
    places = {
        "-": command.stdin,
        "--image": image is not None,
        "--camera": camera is not None,
        VARIABLE: variable is not None,
    }
    given = [place for place, is_given in places.items() if is_given]
    if len(given) > 1:
        raise UsageError(f"the offer comes from {' and '.join(given)}", hint="Give it in one of these ways.")
    options = getattr(command, "options", None)
    post = options is not None and options.flow == "post"
    limit = (options.timeout if options is not None else None) or (OFFER_LIFETIME_S if post else None)
    if variable is not None:
        return OfferSource(lambda: _from_text(variable))
    if image is not None:
        return OfferSource(lambda: _from_picture(image, wait=post), limit)
    if camera is not None:
        return OfferSource(lambda: _from_camera(camera, context), limit)
    if command.stdin:
        return OfferSource(lambda: _from_input(context.keyboard), limit)
    if context.keyboard.interactive:
        return OfferSource(lambda: _from_prompt(context, chosen_first=post))
    raise UsageError(
        "there is no offer to read: standard input is no terminal",
        hint="Pipe the offer to `localpair join -`, set LOCALPAIR_OFFER, or use --image FILE.",
    )


async def _from_text(text: str) -> Offer:
    return Offer.parse(text)


async def _from_picture(path: Path, *, wait: bool) -> Offer:
    """In the post flow the offer is made while this device waits, and the picture with it."""
    from localpair.qr import read_image

    while wait and not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - files send no events
        await asyncio.sleep(_LOOK_S)
    return Offer.parse(await asyncio.to_thread(read_image, path))


async def _from_camera(camera: str, context: Context) -> Offer:
    from localpair.camera import read_camera

    context.output.talk.note("Hold the code that the other device shows in front of the camera.")
    stop = threading.Event()
    try:
        return Offer.parse(await asyncio.to_thread(read_camera, camera, _is_offer, stop))
    finally:
        stop.set()


async def _from_input(keyboard: Keyboard) -> Offer:
    """The first line with a readable offer, such as an event of ``localpair host --json``."""
    problem: OfferError | None = None
    for _ in range(_INPUT_LINES):
        line = await keyboard.line()
        if line is None:
            break
        if "LP:" not in line.upper():
            continue
        try:
            offer = Offer.parse(line)
        except OfferError as error:
            problem = problem or error
            continue
        keyboard.ignore()
        return offer
    raise problem or OfferError(
        "standard input holds no offer",
        hint="Pipe in the text that the other device shows. It starts with LP:",
    )


async def _from_prompt(context: Context, *, chosen_first: bool) -> Offer:
    talk = context.output.talk
    if chosen_first:
        talk.note("Choose this device on the other one, which shows an offer then. Paste that here.")
    else:
        talk.note("Paste the offer that the other device shows. It may be seen here: it works only once.")
    for left in reversed(range(_TRIES)):
        text = await _pasted(context.keyboard)
        try:
            return Offer.parse(text)
        except OfferError as error:
            if not left:
                raise
            talk.warning(f"{error.message}. {error.hint}")
    raise AssertionError  # the last try raises


async def _pasted(keyboard: Keyboard) -> str:
    """What is pasted: usually a line, but mail programs break an offer into several."""
    first = await keyboard.ask("Offer:")
    if first is None:
        raise UsageError("no offer was given", hint="Paste the text that the other device shows.")
    lines = [first]
    while not _is_offer("\n".join(lines)):
        try:
            async with asyncio.timeout(_PASTE_S):
                line = await keyboard.line()
        except TimeoutError:
            break
        if line is None:
            break
        lines.append(line)
    return "\n".join(lines)


def _is_offer(text: str) -> bool:
    try:
        Offer.parse(text)
    except OfferError:
        return False
    return True
