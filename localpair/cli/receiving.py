"""What is to be received: where it is stored, on which terms, and who is asked."""

from __future__ import annotations

import asyncio
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.choices.rules import NO_RULE, Acceptance
from localpair.choices.terms import Existing
from localpair.cli import files
from localpair.cli.hook import Arrival
from localpair.cli.options.piped import STANDARD
from localpair.cli.piping import clipboard, pipes
from localpair.cli.piping.text_taker import TextTaker
from localpair.cli.terminal.screen import device
from localpair.cli.terminal.text import printable
from localpair.dataclass import dataclass
from localpair.errors import LocalpairError, Refusal, RefusedError, TransferError
from localpair.trust.file import DeviceState

if TYPE_CHECKING:
    from localpair.choices.rules import DeviceRule
    from localpair.choices.terms import Terms
    from localpair.cli.context import Context
    from localpair.cli.output.output import Output
    from localpair.cli.terminal.prompts import Prompts
    from localpair.events import Peer
    from localpair.session import Session
    from localpair.trust.store import TrustStore

_REFUSED: Final = "a rule there refuses what this device sends"
_NO_FOLDER: Final = "there is no folder for it there"


@dataclass(frozen=True, slots=True)
class Inbound:
    """Where to store what comes, on which terms, and who is asked, unless a rule for the device says otherwise."""

    folder: Path
    terms: Terms
    prompts: Prompts
    store: TrustStore
    output: Output
    to_clipboard: bool = False
    arrived: list[Arrival] = field(default_factory=list)  # whole transfers that nothing was done about yet

    def refuses(self, peer: Peer) -> bool:
        """Whether a rule refuses whatever ``peer`` sends."""
        return self._rule(peer).accept is Acceptance.NEVER

    async def receive(self, session: Session) -> None:
        """Store what the session's peer sends, and take its texts. Raises RefusedError where something may not
        be taken, and TransferError where nothing came that standard output waits for.
        """
        taker = TextTaker(self.output, self.prompts, pipes_out=self.pipes_out, to_clipboard=self.to_clipboard)
        taking = asyncio.create_task(taker.run(session, self._rule(session.peer)))
        try:
            is_offered = await session.files_offered()
            if is_offered:
                await self._receive_files(session)
        finally:
            taking.cancel()
            await asyncio.wait({taking})
            if not taking.cancelled():
                taking.exception()  # the connection's: whoever waits for files hears of it, too
        if taker.refusal is not None:
            raise taker.refusal
        if self.pipes_out and not is_offered and not taker.taken:
            raise TransferError("nothing came, and nothing was written to standard output")

    @property
    def pipes_out(self) -> bool:
        """Whether standard output takes the place of a folder."""
        return self.folder == STANDARD

    async def _receive_files(self, session: Session) -> None:
        rule = self._rule(session.peer)
        if rule.accept is Acceptance.NEVER:
            await session.decline_files(_REFUSED)
            raise _refused(session.peer)
        unasked = rule.accept is Acceptance.ALWAYS or self.prompts.assumes_yes
        terms, resolve = self._bounded(rule), self.prompts.conflicts().resolve
        if self.pipes_out:
            with pipes.landing() as private:
                ask = None if unasked else partial(self.prompts.receive, self.folder)
                one = replace(terms, files=1, existing=Existing.RENAME)
                await session.receive_files(private, one, ask, resolve, self.prompts.turn)
                await pipes.pass_on(private, self.output)
            return
        try:
            folder = self._landing(rule)
        except LocalpairError:
            await session.decline_files(_NO_FOLDER)
            raise
        if rule.accept is Acceptance.ALWAYS:
            self.output.talk.note(
                f"A rule stores what {device(session.peer)} sends in {printable(str(folder))}, unasked."
            )
        ask = None if unasked else partial(self.prompts.receive, folder)
        receipt = await session.receive_files(folder, terms, ask, resolve, self.prompts.turn)
        if receipt.files:
            self.arrived.append(Arrival(session.peer, receipt, folder))

    def _rule(self, peer: Peer) -> DeviceRule:
        """Read once something is offered, and anew each time: a rule that is changed while `listen` runs holds for the
        next transfer, also of a device that has been connected for long.
        """
        record = self.store.find(peer.device_id)
        return NO_RULE if record is None else record.rule

    def _landing(self, rule: DeviceRule) -> Path:
        if not rule.folder:
            return self.folder
        landing = files.landing_folder(
            Path(rule.folder), self.output.talk, allow_hidden=self.terms.allow_hidden
        )
        self.store.note_folder(landing)
        return landing

    def _bounded(self, rule: DeviceRule) -> Terms:
        if rule.max_size is None:
            return self.terms
        return replace(self.terms, size=min(self.terms.size, rule.max_size))


def inbound(
    folder: Path, terms: Terms, context: Context, prompts: Prompts, *, to_clipboard: bool = False
) -> Inbound:
    """Prepare ``folder``, or standard output in its place.

    Raises `UsageError` or `LocalError` where nothing can be stored there, `RefusedError` where nobody could be asked
    and no rule answers either, or about names that are taken.
    """
    store = context.api.TrustStore()
    if not any(
        record.rule.accept is Acceptance.ALWAYS and record.state is DeviceState.PAIRED
        for record in store.devices()
    ):
        prompts.require_person(gives=False)
    if terms.existing is Existing.ASK:
        prompts.require_person_for_conflicts()
    if to_clipboard:
        clipboard.require_tool()
    if folder == STANDARD:
        pipes.require_pipe()
        return Inbound(folder, terms, prompts, store, context.output, to_clipboard)
    landing = files.landing_folder(folder, context.output.talk, allow_hidden=terms.allow_hidden)
    store.note_folder(landing)
    return Inbound(landing, terms, prompts, store, context.output, to_clipboard)


async def receive_unless_declined(session: Session, receive: Inbound, declined: list[RefusedError]) -> None:
    """Receive what is wanted. A no to that is kept for the end: it is no reason to send less."""
    try:
        await receive.receive(session)
    except RefusedError as error:
        declined.append(error)


def _refused(peer: Peer) -> RefusedError:
    return RefusedError(
        Refusal.NOT_APPROVED,
        f"a rule on this device refuses what {device(peer)} sends",
        hint=f"Nothing was stored. `localpair devices rules {peer.device_id} --accept ask` changes that.",
    )
