"""What hosting, joining and reaching have in common: one agent, one stream of events, one session or one error."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from localpair.causes.facts import Ending, OfferFacts
from localpair.causes.judge import judge
from localpair.causes.records.codec import to_dict
from localpair.causes.vocabulary import RunVerdict
from localpair.causes.waiting import SteadyVerdict, progress
from localpair.choices.settings import Settings
from localpair.errors import LocalpairError, PeerEndedError, PortError, StateError, UnreachableError
from localpair.events import Event, Judged, Paired, PeerFound, Progress, Ready, Waiting
from localpair.keys import DeviceIdentity, Role
from localpair.limits import REVOCATION_S, WAITING_LOOK_S, WAITING_SHARE
from localpair.names.aliases import alias
from localpair.net.agent.agent import Agent
from localpair.net.agent.run_facts import facts_without_port
from localpair.net.agent.wanted import Wanted
from localpair.net.host.interfaces import Interfaces
from localpair.pairing.approval import Agreed
from localpair.pairing.failure.verdict import ending_of, explained, judged_run
from localpair.pairing.reconnect import Reconnector
from localpair.protocol.keyring import Keyring
from localpair.session import Session
from localpair.trace import TRACE
from localpair.trust.store import DeviceState, TrustStore
from localpair.wire.beacon import Part
from localpair.wire.offer import fit_label

_log = logging.getLogger("localpair.pairing")
_QUEUED_EVENTS = 4096  # progress is dropped beyond it: nobody is listening
_QUEUED_EVENTS_MAX = 65_536  # and everything beyond this: a network can make events without end


class Pairing:
    """An attempt under way, as an async context manager: leaving it ends everything that it started."""

    def __init__(self, settings: Settings, store: TrustStore) -> None:
        self._agent: Agent | None = None
        self._part: Part | None = None
        self._so_far = RunVerdict()  # what the facts came to at the last look
        self._ends_at: float | None = None  # when this run gives up, where its person sees an end
        self._told_end: float | None = None
        self._has_answered = False  # whether an answer code was shown
        self._settings, self._store, self._keyring = settings, store, Keyring()
        self._queue: deque[Event] = deque()
        self._more, self._found = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._result: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.get_running_loop().time()
        self._session: Session | None = None
        self._reconnector: Reconnector | None = None

    # -- public -------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """Every event from the start on, each once; ends with the attempt. One task iterates."""
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._ended:
                return
            self._more.clear()
            await self._more.wait()

    async def session(self) -> Session:
        """Wait for the pair. Raises RefusedError, UnreachableError, OfferError, LocalError or StateError."""
        return await asyncio.shield(self._result)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()  # it has been given to whoever waits for the session
        if not self._result.done():
            self._result.cancel()
        elif not self._result.cancelled():
            self._result.exception()

    # -- for the kinds of attempt -------------------------------------------------------------------------------

    @abstractmethod
    async def _run(self, group: asyncio.TaskGroup) -> None:
        """Do the attempt: set the session or raise."""

    async def _begin_run(self) -> tuple[DeviceIdentity, int]:
        """This device's key, and the number of the run that begins. Raises StateError where they cannot be read."""
        raw = await asyncio.to_thread(self._store.identity)
        await asyncio.to_thread(self._store.devices)  # a broken store is told of at once
        try:
            run = await asyncio.to_thread(self._store.next_run)
        except StateError as error:
            _log.warning("this run has no number of its own: %s", error)
            run = int(time.time())
        return DeviceIdentity.from_private_bytes(raw), run

    def _new_agent(self, wanted: Wanted) -> Agent:
        self._part = wanted.part
        self._agent = Agent(
            wanted, self._keyring, on_event=self._emit, on_network=self._network_changed,
            offer_facts=self._offer_facts,
        )  # fmt: skip
        return self._agent

    async def _start(self, agent: Agent, group: asyncio.TaskGroup) -> None:
        """Run the agent as long as this attempt, and keep what is heard meanwhile."""
        group.create_task(agent.run())
        group.create_task(self._keep_heard())
        await agent.wait_started()

    async def _tell_waiting(self, agent: Agent) -> None:
        """Tell what is tried and what seems to be wrong, whenever that changes, until cancelled."""
        steady, clock, told = SteadyVerdict(), asyncio.get_running_loop().time, Waiting("")
        try:
            while True:
                began = clock()
                facts = agent.facts(Ending.RUNNING, self._offer_facts())
                self._so_far = judge(facts)
                explanation = steady.look(self._so_far, began)
                text = progress(facts) if self._is_waiting() else ""
                left_s = None if self._ends_at is None else max(0.0, self._ends_at - began)
                now = Waiting(text, explanation if text else None, left_s)
                if (now.text, now.explanation, self._ends_at) != (
                    told.text,
                    told.explanation,
                    self._told_end,
                ):
                    told, self._told_end = now, self._ends_at
                    self._emit(now)
                await asyncio.sleep(max(WAITING_LOOK_S, WAITING_SHARE * (clock() - began)))
        finally:
            if told.text:
                self._emit(Waiting(""))

    def _is_waiting(self) -> bool:
        """Whether nobody is met yet."""
        return True

    async def _judged(self, error: LocalpairError) -> LocalpairError:
        """The error of a run that failed, in the words of the verdict where no path was found; programs get it all."""
        agent = self._agent
        if isinstance(error, PortError) and self._part is not None:
            self._emit(judged_run(facts_without_port(self._part, error), None))
        if agent is None or self._result.done():
            return error
        is_there = not isinstance(error, PeerEndedError)
        both = await agent.exchange_facts(is_there=is_there) if isinstance(error, UnreachableError) else None
        judged = judged_run(agent.facts(ending_of(error), self._offer_facts()), both)
        self._emit(judged)
        if isinstance(error, UnreachableError):
            return explained(error, judged.verdict, answered=self._has_answered, claimed=judged.is_claimed)
        return error

    def _tell_notes(self, agent: Agent) -> None:
        """The pair stands: tell what made it harder, if anything did."""
        facts = agent.facts(Ending.PAIRED, self._offer_facts())
        verdict = judge(facts)
        if verdict.notes:
            self._emit(Judged(verdict, to_dict(facts)))

    def _offer_facts(self) -> OfferFacts | None:
        """What the offer says, where there is one, without its secret."""
        return None

    def _network_changed(self, interfaces: Interfaces) -> None:
        """Give connections of sessions up where our own end of them is gone."""
        if self._reconnector is not None:
            self._reconnector.check(interfaces)

    async def _keep_heard(self) -> None:
        """Keep on disk how far paired devices were heard: what was recorded of them is worth nothing in later runs."""
        try:
            while True:
                await self._found.wait()
                self._found.clear()
                await asyncio.to_thread(self._note_heard)
        finally:
            await asyncio.to_thread(self._note_heard)

    def _note_heard(self) -> None:
        try:
            self._store.note_heard({name: self._keyring.heard(name) for name in self._keyring})
        except StateError as error:
            _log.warning("what was heard of paired devices cannot be kept: %s", error)

    def _ready(self, agent: Agent) -> Ready:
        """Where this side listens, and what others are shown for it."""
        if self._settings.flow != "post":
            return agent.ready()
        announced = fit_label(self._settings.name) if self._settings.announce_name else ""
        return replace(agent.ready(), called=announced or alias(agent.instance))

    def _emit(self, event: Event) -> None:
        if isinstance(event, PeerFound):
            self._found.set()
        limit = _QUEUED_EVENTS if isinstance(event, Progress) else _QUEUED_EVENTS_MAX
        if len(self._queue) > limit:
            return
        self._queue.append(event)
        self._more.set()

    async def _live(self) -> None:
        try:
            TRACE.follow_environment()
            async with asyncio.TaskGroup() as group:
                try:
                    await self._run(group)
                except LocalpairError as error:
                    told = await self._judged(error)
                    if told is error:
                        raise
                    raise told from error
        except BaseExceptionGroup as several:
            self._fail(_first_cause(several))
        except BaseException as error:
            self._fail(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            try:
                if self._session is not None:
                    await self._session.close()
            finally:
                self._ended = True
                self._more.set()

    def _fail(self, error: BaseException) -> None:
        if self._result.done():
            if not isinstance(error, asyncio.CancelledError):
                _log.error("the session ended by a fault of this side", exc_info=error)
            return
        if isinstance(error, asyncio.CancelledError):
            self._result.cancel()
        else:
            self._result.set_exception(error)

    def _elapsed_ms(self, agent: Agent, role: Role, agreed: Agreed) -> float:
        """How long the devices took: whoever waits does not count the waiting, and persons may take their time."""
        if role is Role.ISSUER:
            whole = agent.ms_since_first_sign(agreed.connection)
        else:
            whole = (asyncio.get_running_loop().time() - self._started) * 1000
        return max(0.0, whole - agreed.asked_ms)

    def _become_session(self, agent: Agent, role: Role, agreed: Agreed, group: asyncio.TaskGroup) -> None:
        """The pair stands: end the search and hand out the session."""
        path = agreed.connection.path()
        self._emit(agreed.connection.nominated(agent.clock()))
        if TRACE.on:
            TRACE.nomination(path, agreed.peer.device_id)
        reconnector = self._reconnector = Reconnector(agent, role, agreed, self._emit)
        group.create_task(reconnector.run())
        group.create_task(self._end_when_revoked(agreed.peer.device_id))
        self._session = Session(
            agreed.connection.stream,
            peer=agreed.peer,
            path=path,
            reconnect=reconnector.reconnect,
            on_event=self._emit,
            peer_gives=agreed.connection.peer_gives,
            peer_takes=agreed.connection.peer_takes,
        )
        self._emit(Paired(agreed.peer, path, self._elapsed_ms(agent, role, agreed)))
        self._result.set_result(self._session)
        asyncio.get_running_loop().call_soon(self._tell_notes, agent)

    async def _end_when_revoked(self, device_id: str) -> None:
        """A pair that is revoked or forgotten, in whatever process, ends its session here too."""
        while self._trusts(device_id):  # noqa: ASYNC110 - another process changes the file, and tells nobody
            await asyncio.sleep(REVOCATION_S)
        if self._session is not None:
            _log.warning("the session ends: this pair was revoked")
            await self._session.close()

    def _trusts(self, device_id: str) -> bool:
        try:
            record = self._store.find(device_id)
        except StateError as error:
            _log.warning("the paired devices cannot be read just now: %s", error)
            return True
        return record is not None and record.state is not DeviceState.REVOKED


def _first_cause(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a task group: its first leaf, since the others were cancelled for it."""
    first: BaseException = several
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
