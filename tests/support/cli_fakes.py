"""A package ``localpair`` that pairs without a network, for tests of the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import places
from localpair import events
from localpair.candidate import Candidate, Evidence, Origin
from localpair.causes.vocabulary import RunVerdict
from localpair.choices.selection import EVERYTHING, Selection
from localpair.choices.settings import ReceiveRequest
from localpair.choices.terms import Existing, NameConflict, Terms
from localpair.errors import AnswerError, Refusal, RefusedError
from localpair.transfer.folder.housekeeping import kept_parts, overdue_parts, remove_parts
from localpair.transfer.pace import Pace
from localpair.transfer.preview import preview_files
from localpair.trust.store import TrustStore

__all__ = [
    "ANSWER",
    "OFFER",
    "PAIRED",
    "READY",
    "events",
    "program",
    "replace",
]  # for programs that tests start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from localpair.choices.settings import ReceiveApprover
    from localpair.choices.terms import Resolver

VECTORS = json.loads((places.VECTORS / "offers.json").read_text("utf-8"))
TYPICAL = next(vector["text"] for vector in VECTORS["offers"] if vector["name"] == "typical")

PEER = events.Peer("3f2a-9c11-07de", "Anna's laptop")
PATH = events.Path("192.168.1.20:46821", "192.168.1.7:46821", events.Direction.OUT, "multicast")
OWN = Candidate(ip_address("192.168.1.20"), 46821, 24, interface="eth0", evidence=Evidence.SELF_CONFIRMED)
THEIRS = Candidate(ip_address("192.168.1.7"), 46821, 24, origin=Origin.OFFER)
READY = events.Ready(46821, 46821, (OWN,))
OFFER = events.OfferIssued(TYPICAL, 120.0)
ANSWER = events.AnswerIssued("LA:CEA4-BKAC-CR7X-U6N2", 100.0)
PAIRED = events.Paired(PEER, PATH, 212.5)
JUDGED = events.Judged(RunVerdict(), {"role": "listen"})
NEARBY = events.NearbyPeer("a1b2", "amber falcon", "join", 46821, (THEIRS,))
ATTEMPT = events.Attempt(
    THEIRS, events.Direction.OUT, events.Phase.CONNECT, "failed", 12.34, "ECONNREFUSED", "refused"
)


@dataclass(frozen=True)
class Settings:
    """The fields that the package's own settings have."""

    flow: str = "pre"
    offer_addresses: str = "all"
    name: str = ""
    port: int = 0
    timeout: float | None = None
    gives: bool = False
    takes: bool = False
    announce_name: bool = False
    attended: bool = False


@dataclass(frozen=True)
class Request:
    """What an approver is asked."""

    peer: events.Peer = PEER
    code: str = "483 920"
    direction: str = "gives"
    path: events.Path = PATH
    peer_gives: bool = False
    peer_takes: bool = True


class Session:
    """Sends and receives what its script says."""

    def __init__(
        self,
        payload: Sequence[events.Event] = (),
        error: BaseException | None = None,
        peer: events.Peer = PEER,
    ) -> None:
        self.peer, self.path = peer, PATH
        self.payload, self.error = payload, error
        self.sent: list[Path] = []
        self.received_into: Path | None = None
        self.terms: Terms | None = None
        self.request = ReceiveRequest(PEER, 3, 1_200_000, ("a.txt", "photos"), 1)
        self.declined: list[str] = []
        self.conflicts: list[NameConflict] = []
        self.resolved: list[Existing] = []
        self.asked = False
        self.started = self.closed = 0
        self.peer_gives, self.peer_takes = False, True
        self.pace: Pace | None = None
        self.offers = True
        self.incoming_messages: list[bytes] = []
        self.outgoing_messages: list[bytes] = []
        self.stores: dict[str, bytes] = {}  # what comes, by its path
        self.on_event: Callable[[events.Event], None] = lambda _: None

    def limit(self, pace: Pace) -> None:
        self.pace = pace

    def start(self) -> None:
        self.started += 1

    async def send_files(self, paths: Sequence[Path], selection: Selection = EVERYTHING) -> None:
        self.sent, self.selection = list(paths), selection
        self.sent_bytes = {path.name: path.read_bytes() for path in paths if path.is_file()}
        await self._carry()

    async def receive_files(
        self,
        directory: Path,
        terms: Terms,
        approve: ReceiveApprover | None,
        resolve: Resolver,
        turn: asyncio.Lock,
    ) -> events.Receipt:
        self.received_into, self.terms, self.asked = directory, terms, approve is not None
        async with turn:
            if approve is not None and not await approve(self.request):
                raise RefusedError(Refusal.NOT_APPROVED, "not accepted")
        for conflict in self.conflicts:
            async with turn:
                self.resolved.append(await resolve(conflict))
        for name, data in self.stores.items():
            (directory / name).write_bytes(data)
        await self._carry()
        return events.Receipt()

    async def files_offered(self) -> bool:
        while len(self.outgoing_messages) < len(self.incoming_messages):  # noqa: ASYNC110 - each text has an answer
            await asyncio.sleep(0.01)
        return self.offers

    async def send_message(self, data: bytes) -> None:
        self.outgoing_messages.append(data)

    async def messages(self) -> AsyncIterator[bytes]:
        for message in self.incoming_messages:
            yield message
        if not self.incoming_messages:
            await asyncio.Event().wait()

    async def decline_files(self, reason: str) -> bool:
        self.declined.append(reason)
        return self.offers

    async def close(self) -> None:
        self.closed += 1

    async def _carry(self) -> None:
        for event in self.payload:
            self.on_event(event)
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


@dataclass
class Pairing:
    """Emits ``stream``, asks for approval or a choice if told to, and ends in a session or an error."""

    stream: Sequence[events.Event] = (READY, PAIRED)
    session_: Session = field(default_factory=Session)
    error: BaseException | None = None
    request: Request | None = None
    nearby: Sequence[events.NearbyPeer] | None = None
    hang: bool = False
    block_s: float = 0.0
    approve: Any = None
    choose: Any = None
    chosen: list[Any] = field(default_factory=list)
    offer: Any = None
    approved: bool | None = None
    answers: list[str] = field(default_factory=list)
    answers_wanted: int = 0

    def answer(self, text: str) -> tuple[Candidate, ...]:
        self.answers.append(text)
        self.heeded.set()
        if not text.upper().startswith("LA:"):
            raise AnswerError("that is no answer code", hint="Compare it.")
        return (THEIRS,)

    @cached_property
    def heeded(self) -> asyncio.Event:
        return asyncio.Event()

    async def events(self) -> AsyncIterator[events.Event]:
        for event in self.stream:
            yield event
        await asyncio.Event().wait()

    async def session(self) -> Session:
        import time

        await asyncio.sleep(0)
        if self.block_s:
            time.sleep(self.block_s)  # noqa: ASYNC251 - a program that hangs is what is tested
        if self.hang:
            await asyncio.Event().wait()
        while len(self.answers) < self.answers_wanted:
            self.heeded.clear()
            await self.heeded.wait()
        if self.nearby is not None:
            self.chosen.append(await self.choose(self.nearby))
        if self.offer is not None and not isinstance(self.offer, str):
            self.offer = await self.offer
        if self.request is not None:
            self.approved = await self.approve(self.request)
        if self.error is not None:
            raise self.error
        return self.session_


@dataclass
class Api:
    """Stands where the package stands, and keeps what it was called with."""

    home: Path
    pairing: Pairing = field(default_factory=Pairing)
    pairings: dict[str, Pairing] = field(default_factory=dict)  # by the device that is reached
    listened: Sequence[Session] = ()
    heard: Sequence[events.Event] = ()
    report: Any = None
    findings: Sequence[Any] = ()
    diagnosed: int = 0
    settings: Any = None
    reached: str = ""
    calls: list[str] = field(default_factory=list)
    nobody_came: asyncio.Event = field(default_factory=asyncio.Event)

    Settings = Settings
    Pace = Pace

    def TrustStore(self) -> TrustStore:  # noqa: N802 - a class over there
        return TrustStore(self.home)

    preview_files = staticmethod(preview_files)
    kept_parts = staticmethod(kept_parts)
    overdue_parts = staticmethod(overdue_parts)
    remove_parts = staticmethod(remove_parts)

    def host(self, settings: Settings, *, store: Any, approve: Any, choose: Any) -> Any:
        self.pairing.choose = choose
        return self._open("host", settings, approve)

    def join(self, offer: Any, settings: Settings, *, store: Any, approve: Any) -> Any:
        self.pairing.offer = offer if hasattr(offer, "__await__") else offer.text
        return self._open("join", settings, approve)

    def reach(self, device_id: str, settings: Settings, *, store: Any) -> Any:
        self.reached = device_id
        return self._open("reach", settings, None, self.pairings.get(device_id))

    @asynccontextmanager
    async def _open(
        self, name: str, settings: Settings, approve: Any, pairing: Pairing | None = None
    ) -> AsyncIterator[Pairing]:
        self.calls.append(name)
        self.settings = settings
        pairing = pairing or self.pairing
        pairing.approve = approve
        yield pairing
        self.calls.append("closed")

    @asynccontextmanager
    async def listen(self, settings: Settings, *, store: Any) -> AsyncIterator[Any]:
        self.settings = settings
        yield self

    async def events(self) -> AsyncIterator[events.Event]:
        yield READY
        for _ in self.listened:
            yield PAIRED
        self.nobody_came = asyncio.Event()
        await self.nobody_came.wait()
        yield JUDGED
        await asyncio.Event().wait()

    async def explain(self, error: Any) -> Any:
        self.nobody_came.set()
        return type(error)(f"in other words, {error}")

    async def sessions(self) -> AsyncIterator[Session]:
        for session in self.listened:
            yield session
        await asyncio.Event().wait()

    async def discover(self, timeout: float) -> AsyncIterator[events.Event]:
        for event in self.heard:
            yield event

    async def acquire_addresses(self, *, peer_wait: float, on_attempt: Callable[[Any], None]) -> Any:
        for attempt in self.report.attempts:
            on_attempt(attempt)
        return self.report

    async def diagnose(self, *, deadline: float, on_finding: Callable[[Any], None], offer: Any = None) -> Any:
        self.diagnosed += 1
        self.towards = offer
        for finding in self.findings:
            on_finding(finding)
        return self.report


def program(words: list[str], **pairing: Any) -> int:
    """Run the command line over a fake pairing: the body of a process that tests start and interrupt."""
    from localpair.cli import main

    return main(words, api=Api(Path(sys.argv[1]), Pairing(**pairing)))
