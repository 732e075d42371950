"""What joining by an offer and reaching a paired device share: find one issuer and be nominated by it."""

from __future__ import annotations

import asyncio

from localpair.causes import no_path
from localpair.net.agent.agent import Engine
from localpair.net.agent.connection import Lane, LaneRefusedError
from localpair.pairing.attempt import Pairing
from localpair.protocol.handshake import Nominated


class Seeking(Pairing):
    """What joining by an offer and reaching a paired device share: find one issuer and be nominated by it."""

    _has_answered = False  # whether an answer code was shown

    async def _seek(self, engine: Engine, secret: str) -> Lane:
        """The lane that the issuer nominated. Lanes that it turned down are tried again on other paths."""
        waiting: dict[asyncio.Task[None], Lane] = {}
        arrival = asyncio.create_task(engine.verified.get())
        refused = asyncio.create_task(engine.tally.final.wait())
        try:
            while True:
                await asyncio.wait({arrival, refused, *waiting}, return_when=asyncio.FIRST_COMPLETED)
                if refused.done():
                    raise engine.tally.refusals[-1]
                for task in [task for task in waiting if task.done()]:
                    lane = waiting.pop(task)
                    if self._is_nominated(engine, secret, task, lane):
                        return lane
                if arrival.done():
                    lane = arrival.result()
                    waiting[asyncio.create_task(self._nomination(lane))] = lane
                    arrival = asyncio.create_task(engine.verified.get())
        finally:
            if not arrival.cancel() and not arrival.cancelled():
                engine.lane_ended(arrival.result(), secret)  # it came at the last moment
            refused.cancel()
            for task, lane in waiting.items():
                task.cancel()
                engine.lane_ended(lane, secret)

    async def _nomination(self, lane: Lane) -> None:
        """Wait for the nomination, and leave its event to whoever concludes the lane."""
        while not isinstance(event := await lane.next_event(), Nominated):
            pass
        lane.put_back(event)

    def _is_nominated(self, engine: Engine, secret: str, task: asyncio.Task[None], lane: Lane) -> bool:
        try:
            task.result()
            return True
        except LaneRefusedError as error:
            engine.lane_ended(lane, secret)
            if not error.lost:
                raise
        except (OSError, TimeoutError):
            engine.lane_ended(lane, secret)
            engine.resuming = True  # the issuer may have nominated it, and still wait on it
        return False

    def _give_up(self, engine: Engine) -> BaseException:
        """The error for a search that ran out of time: a refusal that was heard says more than silence."""
        if engine.tally.refusals:
            return engine.tally.refusals[-1]
        return no_path(engine, answered=self._has_answered)
