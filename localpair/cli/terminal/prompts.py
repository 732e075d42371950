"""Questions to the person: may this device have the data, and which of these devices is meant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from localpair.cli.options.piped import STANDARD
from localpair.cli.output import results
from localpair.cli.terminal.conflicts import ConflictQuestions
from localpair.cli.terminal.screen import device, nearby, nearby_name
from localpair.cli.terminal.text import count, printable, size
from localpair.errors import Refusal, RefusedError
from localpair.limits import APPROVAL_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from localpair.choices.settings import ApprovalRequest, ReceiveRequest
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.keyboard import Keyboard
    from localpair.events import NearbyPeer, Peer

_GIVING: Final = frozenset({"gives", "both"})
_YES: Final = frozenset({"y", "yes"})
_NO: Final = frozenset({"n", "no", ""})
_DIRECTIONS: Final = {
    "gives": "It will receive what you send.",
    "takes": "You will receive what it sends, if anything.",
    "both": "It will receive what you send, and you what it sends.",
    "none": "No files will be exchanged.",
}


class Prompts:
    """Asks at the keyboard. With ``assume_yes`` nothing is asked; without a person the answer is no.

    Several devices may send at once: whoever asks about what they send holds ``turn``.
    """

    def __init__(self, keyboard: Keyboard, output: Output, *, assume_yes: bool) -> None:
        self._keyboard = keyboard
        self._output = output
        self._assume_yes = assume_yes
        self._chosen = ""  # what the device was called that a person chose
        self.turn = asyncio.Lock()

    def require_person(self, *, gives: bool) -> None:
        """Raise `RefusedError` where data is to be given away, or else stored, and nobody could be asked."""
        if self._assume_yes or self._keyboard.interactive:
            return
        if gives:
            what, hint = "giving data away", "give it to whichever device proves that it has read the offer"
        else:
            what = "what is to be received"
            hint = "store whatever a paired device sends; `localpair devices rules` decides for one of them"
        raise RefusedError(
            Refusal.NOT_APPROVED,
            f"nobody can approve {what}: standard input is no terminal",
            hint=f"Add --yes to {hint}.",
        )

    def require_person_for_conflicts(self) -> None:
        """Raise `RefusedError` where nobody could be asked about files whose names are taken."""
        if not self._keyboard.interactive:
            raise RefusedError(
                Refusal.NOT_APPROVED,
                "nobody can be asked about files that are there already: standard input is no terminal",
                hint="Decide beforehand, with --existing skip, replace or rename.",
            )

    def conflicts(self) -> ConflictQuestions:
        """The questions about one transfer's files whose names are taken."""
        return ConflictQuestions(self._keyboard, self._output)

    async def approve(self, request: ApprovalRequest) -> bool:
        """Whether this side agrees to the pair, and to giving its data away if there is any."""
        self._announce(request)
        if self._assume_yes:
            return True
        if not self._keyboard.interactive:
            return False
        gives = request.direction in _GIVING and request.peer_takes
        question = "Send to this device?" if gives else "Pair with this device?"
        return await self._is_yes(f"{question} [y/N]")

    @property
    def assumes_yes(self) -> bool:
        """Whether a person has said yes to everything beforehand."""
        return self._assume_yes

    async def receive(self, folder: Path, request: ReceiveRequest) -> bool:
        """Whether to store in ``folder`` what a device wants to send. Raises `RefusedError` where nobody can say."""
        self.require_person(gives=False)
        self._output.show(results.ReceiveAsked(request, folder))
        self._output.talk.note(f"{device(request.peer)} wants to send {_contents(request)}.")
        if folder == STANDARD:
            return await self._is_yes("Write it to standard output? [y/N]")
        return await self._is_yes(f"Store in {printable(str(folder))}? [y/N]")

    async def receive_text(self, peer: Peer, letters: int) -> bool:
        """Whether to take a text of so many letters: no where nobody says so within a minute. Raises `RefusedError`
        where nobody can say.
        """
        self.require_person(gives=False)
        try:
            async with self.turn, asyncio.timeout(APPROVAL_S):
                self._output.talk.note(f"{device(peer)} wants to send a text, {count(letters, 'letter')}.")
                return await self._is_yes("Show it? [y/N]")
        except TimeoutError:
            return False

    async def _is_yes(self, question: str) -> bool:
        """Ask until the answer is one: a slip of the finger must not use an offer up. The end of input is a no."""
        while True:
            answer = await self._keyboard.ask(question)
            word = "n" if answer is None else answer.strip().lower()
            if word in _YES or word in _NO:
                return word in _YES
            self._output.talk.note("Please answer y or n; Enter alone means no.")

    async def choose(self, peers: Sequence[NearbyPeer]) -> NearbyPeer | None:
        """The device that an offer is to be made for; None to look on. Called anew whenever others are near."""
        joining = [peer for peer in peers if peer.role == "join"]
        if self._assume_yes or not self._keyboard.interactive:
            return self._only_one(joining)
        self._output.talk.note("Devices that look for an offer:")
        for number, peer in enumerate(joining, 1):
            self._output.talk.note(f"  {number}  {nearby(peer)}")
        while True:
            answer = await self._keyboard.ask("Which one? Its number:")
            if answer is None:
                raise RefusedError(Refusal.CANCELLED, "no device was chosen")
            chosen = answer.strip()
            if chosen.isascii() and chosen.isdigit() and 1 <= int(chosen) <= len(joining):
                peer = joining[int(chosen) - 1]
                self._chosen = nearby_name(peer)
                return peer

    def _only_one(self, joining: list[NearbyPeer]) -> NearbyPeer | None:
        """Without a person the one device that looks for an offer is meant; the offer confirms it or fails."""
        if not self._assume_yes:
            raise RefusedError(
                Refusal.NOT_APPROVED,
                "nobody can choose a device: standard input is no terminal",
                hint="Add --yes to take the only device that is near.",
            )
        return joining[0] if len(joining) == 1 else None

    def _announce(self, request: ApprovalRequest) -> None:
        self._output.show(
            results.ApprovalAsked(
                request.peer, request.code, request.direction, request.path, request.peer_takes
            )
        )
        talk = self._output.talk
        talk.note(f"The other device is {self._named(request.peer)}, at {request.path.remote}.")
        talk.note(f"Code: {talk.strong(request.code)}   The other screen must show the same.")
        if request.direction in _GIVING and not request.peer_takes:
            talk.warning(
                "nothing can be sent: the other device was started without --receive. "
                "A yes pairs the two, for `localpair send` later; after a no, start both again."
            )
        else:
            talk.note(_DIRECTIONS.get(request.direction, ""))

    def _named(self, peer: Peer) -> str:
        """The device with its name, and with the one under which it was chosen where that is another one."""
        name, label = device(peer), printable(peer.label, 40)
        return name if self._chosen in {"", label} else f"{self._chosen}, whose name is {name}"


def _contents(request: ReceiveRequest) -> str:
    """Such as ``3 files, 1.2 MB: a.txt, photos and 1 more``."""
    if request.files is None or request.bytes is None:
        return "files; how many is not known yet"
    shown = ", ".join(printable(name, 60) for name in request.names)
    more = f" and {request.more} more" if request.more else ""
    named = f": {shown}{more}" if shown else ""
    return f"{count(request.files, 'file')}, {size(request.bytes)}{named}"
