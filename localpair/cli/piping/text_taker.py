"""Texts that a device sends: asked about, shown or put into the clipboard, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.choices.rules import Acceptance
from localpair.cli.output import results
from localpair.cli.piping import clipboard, pipes, texts
from localpair.errors import LocalpairError, Refusal, RefusedError

if TYPE_CHECKING:
    from localpair.choices.rules import DeviceRule
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.prompts import Prompts
    from localpair.events import Peer
    from localpair.session import Session

_REFUSED = "a rule there refuses what this device sends"
_DECLINED = "it was refused there"


class TextTaker:
    """Takes the texts of one session, under the rule for its device. ``taken`` counts them; ``refusal`` is why one was
    not, to be told at the end.
    """

    def __init__(self, output: Output, prompts: Prompts, *, pipes_out: bool, to_clipboard: bool) -> None:
        self._output, self._prompts = output, prompts
        self._pipes_out, self._to_clipboard = pipes_out, to_clipboard
        self.taken = 0
        self.refusal: LocalpairError | None = None

    async def run(self, session: Session, rule: DeviceRule) -> None:
        """Take texts until the session ends. Raises TransferError where that breaks."""
        async for message in session.messages():
            text = texts.text_in(message)
            if text is not None:  # else it is for another program
                await session.send_message(texts.answer(await self._take(session.peer, text, rule)))

    async def _take(self, peer: Peer, text: str, rule: DeviceRule) -> str:
        """Why the text was not taken; empty where it was."""
        if rule.accept is Acceptance.NEVER:
            self.refusal = RefusedError(Refusal.NOT_APPROVED, "a rule on this device refuses its text")
            return _REFUSED
        try:
            if not await self._is_wanted(peer, text, rule):
                self.refusal = RefusedError(Refusal.NOT_APPROVED, "the text was not accepted")
                return _DECLINED
            await self._show(peer, text)
        except LocalpairError as error:
            self.refusal = error
            return error.message
        self.taken += 1
        return ""

    async def _is_wanted(self, peer: Peer, text: str, rule: DeviceRule) -> bool:
        if rule.accept is Acceptance.ALWAYS or self._prompts.assumes_yes:
            return True
        return await self._prompts.receive_text(peer, len(text))

    async def _show(self, peer: Peer, text: str) -> None:
        if self._pipes_out:
            await pipes.write_text(text, self._output)
            return
        if self._to_clipboard:
            await clipboard.put(text)
        self._output.show(results.TextReceived(peer, text, in_clipboard=self._to_clipboard))
