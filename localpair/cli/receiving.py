"""What is to be received: where it is stored, on which terms, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from localpair.cli import files
from localpair.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.cli.context import Context
    from localpair.cli.terminal.prompts import Prompts
    from localpair.events import Peer
    from localpair.session import Session
    from localpair.settings import ReceiveApprover
    from localpair.terms import Terms


@dataclass(frozen=True, slots=True)
class Inbound:
    """Where to store what comes, on which terms, and who is asked."""

    folder: Path
    terms: Terms
    prompts: Prompts

    def question(self, peer: Peer) -> ReceiveApprover | None:
        """What is asked before anything of ``peer`` is stored; None where nothing is."""
        if self.prompts.accepts_unasked(peer):
            return None
        return partial(self.prompts.receive, self.folder)


def inbound(folder: Path, terms: Terms, context: Context, prompts: Prompts) -> Inbound:
    """Prepare ``folder``.

    Raises `UsageError` or `LocalError` where nothing can be stored there, `RefusedError` where nobody could be asked.
    """
    prompts.require_person(gives=False)
    landing = files.landing_folder(folder, context.output.talk, allow_hidden=terms.allow_hidden)
    return Inbound(landing, terms, prompts)


async def receive_unless_declined(session: Session, receive: Inbound, declined: list[RefusedError]) -> None:
    """Receive what is wanted. A no to that is kept for the end: it is no reason to send less."""
    try:
        await session.receive_files(receive.folder, receive.terms, receive.question(session.peer))
    except RefusedError as error:
        declined.append(error)
