"""What joining by an offer and reaching a paired device share: find one issuer and be nominated by it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from localpair.errors import LocalpairError, PeerEndedError
from localpair.net.agent.agent import Agent
from localpair.net.agent.connection import ConnectionDeclinedError, PeerConnection
from localpair.pairing.attempt import Pairing
from localpair.pairing.failure.no_path import no_path
from localpair.protocol.handshake import Nominated
from localpair.protocol.keyring import OFFER


class Seeking(Pairing):
    """What joining by an offer and reaching a paired device share: find one issuer and be nominated by it."""

    async def _seek(self, agent: Agent, secret: str) -> PeerConnection:
        """The connection that the issuer nominated. Connections that it turned down are tried again on other paths."""
        waiting: dict[asyncio.Task[None], PeerConnection] = {}
        arrival = asyncio.create_task(agent.next_verified())
        refused = asyncio.create_task(agent.final_refusal())
        telling = asyncio.create_task(self._tell_waiting(agent))
        over = [asyncio.create_task(one) for one in self._endings(agent)]
        is_found = False
        try:
            while True:
                await asyncio.wait({arrival, refused, *over, *waiting}, return_when=asyncio.FIRST_COMPLETED)
                if refused.done():
                    raise refused.result()
                for nomination in [task for task in waiting if task.done()]:
                    connection = waiting.pop(nomination)
                    is_found = self._is_nominated(agent, secret, nomination, connection)
                    if is_found:
                        return connection
                for ending in over:
                    if ending.done():
                        raise ending.result()
                if arrival.done():
                    connection = arrival.result()
                    waiting[asyncio.create_task(self._nomination(connection))] = connection
                    arrival = asyncio.create_task(agent.next_verified())
        finally:
            late = [] if arrival.cancel() or arrival.cancelled() else [arrival.result()]
            for task in (refused, telling, *over, *waiting):
                task.cancel()
            # Where the run ends without a pair, the agent says so on these.
            for connection in (*waiting.values(), *late) if is_found or secret != OFFER else ():
                agent.connection_ended(connection, secret)

    def _endings(self, agent: Agent) -> list[Coroutine[Any, Any, LocalpairError]]:
        """What ends the search before its time is up: each gives the error."""
        return [agent.issuer_ended()]

    async def _nomination(self, connection: PeerConnection) -> None:
        """Wait for the nomination, and leave its event to whoever concludes the connection."""
        while not isinstance(event := await connection.next_event(), Nominated):
            pass
        connection.put_back(event)

    def _is_nominated(
        self, agent: Agent, secret: str, task: asyncio.Task[None], connection: PeerConnection
    ) -> bool:
        try:
            task.result()
            return True
        except ConnectionDeclinedError as error:
            agent.connection_ended(connection, secret)
            if not error.lost:
                raise
        except PeerEndedError:
            agent.peer_said_ended(connection)
            if secret == OFFER:
                raise
            agent.connection_lost(connection, secret)  # a listener comes back
        except (OSError, TimeoutError):
            agent.connection_lost(
                connection, secret
            )  # the issuer may have nominated it, and still wait on it
        return False

    def _abandon(self, agent: Agent) -> LocalpairError:
        """The error for a search that ran out of time: a refusal that was heard says more than silence."""
        record = agent.record()
        return record.refusal or no_path(record, answered=self._has_answered)
