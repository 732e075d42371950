"""Two sides in processes of their own, one of which is killed at a step of commit or of storing; then both meet again.

A step is a frame that is sent or taken, or a call that touches the disk: the process dies right before it, as in a
power cut. Everything is forked from one process that has imported all of it. For benchmarks/kills.py, which runs it in
a network namespace with nothing but a loopback device.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import localpair
from killing import Death, faults
from localpair.errors import LocalpairError
from localpair.limits import SMALL_FILE_BYTES
from localpair.net.transport.stream import FrameStream, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.pairing import host as hosting
from localpair.pairing import join as joining
from localpair.protocol.handshake import Handshake
from localpair.trust.store import DeviceState, TrustStore
from localpair.wire import messages, payload
from streams import certificate, new_session

SIDES: Final = ("host", "join")
ENDS: Final = ("send", "receive")
MANNERS: Final = ("killed", "interrupted", "patient")
"""How the side ends that was not killed: at the same time, by its person, or when its time is over."""
_ATTEMPT_S: Final = 6.0
_PATIENT_S: Final = 1.5
_CHILD_S: Final = 40.0
_IDENTITY: Final = messages.Identity.TYPE
_FRAMES: Final = {one.TYPE: one.__name__ for one in (*messages._MESSAGES, *payload._TYPES.values())}
_FRAMES[payload.DATA] = "Data"
_WRITE: Final = os.write  # the real one, also where a child counts it and does it by half
_TRUST_CALLS: Final = ("open", "fsync", "replace", "link", "unlink")
TREE: Final = {
    "d/empty.txt": b"",
    **{f"d/{number}.txt": random.Random(number).randbytes(60 * number + 1) for number in range(5)},
    "d/large.bin": random.Random(50).randbytes(3 * SMALL_FILE_BYTES),
    "d/e/more.bin": random.Random(51).randbytes(2 * SMALL_FILE_BYTES + 1),
}


# --- processes


class Fate(Death):
    """Counts the steps of this process, and kills it before one of them; ``fatal`` None: it lives, and tells them."""

    def __init__(self, fatal: int | None, tell: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(0)
        self.names: list[str] = []
        self._fatal, self._tell, self._armed = fatal, tell, False

    def watch_disk(self, below: Path) -> None:
        """Count what the trust store does to its folder."""
        for name in _TRUST_CALLS:
            setattr(os, name, self._below(getattr(os, name), str(below)))

    def watch_frames(self, first: int) -> None:
        """Count the frames of every connection; from the ``first`` type on all steps count."""
        write, take = FrameStream.write, Handshake.receive

        def writing(stream: FrameStream, kind: int, *parts: bytes | memoryview) -> None:
            self._armed = self._armed or kind >= first
            self._reach(f"send {_FRAMES.get(kind, kind)}")
            write(stream, kind, *parts)

        def taking(handshake: Handshake, kind: int, body: bytes) -> None:
            self._armed = self._armed or kind >= first
            self._reach(f"take {_FRAMES.get(kind, kind)}")
            take(handshake, kind, body)

        FrameStream.write, Handshake.receive = writing, taking  # type: ignore[method-assign]

    def arm(self) -> None:
        """Count every call from now on that stores a file."""
        self._armed = True
        super().arm()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            self._reach(call.__name__)
            return call(*args, **more)

        counted.__name__ = call.__name__
        return counted

    def _below(self, call: Callable[..., Any], folder: str) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            if isinstance(args[0], int) or str(args[0]).startswith(folder):
                what = "the folder" if str(args[0]) == folder else _kind_of(args[0])
                self._reach(f"{call.__name__} {what}")
            return call(*args, **more)

        return counted

    def _reach(self, name: str) -> None:
        with self._lock:
            if not self._armed:
                return
            if len(self.names) == self._fatal:
                self._tell({"died": name})
                os.kill(os.getpid(), signal.SIGKILL)
            self.names.append(name)


def _kind_of(what: object) -> str:
    """A path or a descriptor, without what is random in it."""
    if isinstance(what, int):
        return "a descriptor"
    name = Path(str(what)).name
    return "a temporary file" if name.endswith(".tmp") else name


class Child:
    """A forked process that tells values, one on a line."""

    def __init__(self, main: Callable[[Callable[[dict[str, Any]], None]], Coroutine[Any, Any, None]]) -> None:
        self.said: list[dict[str, Any]] = []
        self._read, write = os.pipe()
        self._rest = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            _live(main, write)
        os.close(write)

    def hear(self, limit_s: float = _CHILD_S) -> dict[str, Any] | None:
        """The next value; None at its end. TimeoutError where nothing comes."""
        while b"\n" not in self._rest:
            if not select.select([self._read], [], [], limit_s)[0]:
                raise TimeoutError(f"a child says nothing any more; it has said {self.said}")
            data = os.read(self._read, 65_536)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self.said.append(json.loads(line))
        return self.said[-1]

    def end(self, blow: int | None = None) -> int:
        """Its exit code, below 0 for a signal; with ``blow`` it gets that one first."""
        if blow is not None:
            os.kill(self.pid, blow)
        try:
            while self.hear() is not None:
                pass
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            raise
        finally:
            os.close(self._read)
            _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def told(self, name: str) -> Any:
        """What it has said under this name, None where nothing."""
        return next((one[name] for one in self.said if name in one), None)


def _live(main: Callable[[Callable[[dict[str, Any]], None]], Coroutine[Any, Any, None]], write: int) -> None:
    """A child's whole life."""

    def tell(value: dict[str, Any]) -> None:
        _WRITE(write, json.dumps(value).encode() + b"\n")

    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 0
    try:
        asyncio.run(main(tell))
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # noqa: BLE001 - it is told
        tell({"error": repr(error), "trace": traceback.format_exc()})
        code = 1
    finally:
        sys.stdout.flush()
        os._exit(code)


@dataclass(slots=True)
class Result:
    """One kill: where it was, how the next meeting went, and what is wrong."""

    what: str
    step: str  # empty where the process lived
    end: str = ""
    faults: list[str] = field(default_factory=list)


# --- commit


async def _agree(_: localpair.ApprovalRequest) -> bool:
    return True


def side(name: str, folder: Path, offer: str, fatal: int | None, limit_s: float) -> Child:
    """Host or join in a process of its own: it tells its offer, whether it has paired, and all its steps."""

    async def main(tell: Callable[[dict[str, Any]], None]) -> None:
        # For how long a side waits for one that is gone for good is not what is tried here.
        hosting.RESUME_S = joining.RESUME_S = _PATIENT_S  # type: ignore[attr-defined]
        fate = Fate(fatal, tell)
        fate.watch_disk(folder)
        fate.watch_frames(_IDENTITY)
        store, settings = TrustStore(folder), localpair.Settings(timeout=limit_s)
        pairing: Any = (
            localpair.host(settings, store=store, approve=_agree)
            if name == "host"
            else localpair.join(localpair.Offer.parse(offer), settings, store=store, approve=_agree)
        )
        with suppress(LocalpairError, asyncio.CancelledError):
            async with pairing:
                async for event in pairing.events():
                    if isinstance(event, localpair.OfferIssued):
                        tell({"offer": event.text})
                    if isinstance(event, localpair.Paired):
                        break
                await pairing.session()
                tell({"paired": True})
        tell({"steps": fate.names})

    return Child(main)


def pair_once(folders: dict[str, Path], victim: str, fatal: int | None, manner: str = "patient") -> Child:
    """Let both pair, the victim be killed at a step and the other one end in this manner; the victim."""
    limits = {one: _PATIENT_S if one != victim and manner == "patient" else _ATTEMPT_S for one in SIDES}
    if fatal is None or victim == "host":
        limits["host"] = _ATTEMPT_S
    host = side("host", folders["host"], "", fatal if victim == "host" else None, limits["host"])
    said = host.hear()
    assert said is not None, host.said
    assert "offer" in said, said
    join = side("join", folders["join"], said["offer"], fatal if victim == "join" else None, limits["join"])
    struck, other = (host, join) if victim == "host" else (join, host)
    code = struck.end()
    assert code in {0, -signal.SIGKILL}, struck.said
    blow = {"killed": signal.SIGKILL, "interrupted": signal.SIGINT}.get(manner) if code else None
    code = other.end(blow)
    assert code in {0, -signal.SIGKILL}, other.said
    return struck


def steps_of(victim: str, paired: Path | None) -> list[str]:
    """The steps that this side takes where nobody is killed."""
    with _homes(paired) as folders:
        names = pair_once(folders, victim, None).told("steps")
    assert names, "the two do not pair at all"
    return list(names)


@contextmanager
def _homes(paired: Path | None) -> Iterator[dict[str, Path]]:
    """Folders for two devices; those of a pair, where one is given."""
    with scratch() as folder:
        folders = {one: folder / one for one in SIDES}
        for name, one in folders.items():
            if paired is not None:
                shutil.copytree(paired / name, one)
            else:
                one.mkdir(mode=0o700)
        yield folders


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a random name
    with tempfile.TemporaryDirectory(
        dir=memory if memory.is_dir() else None, prefix="localpair-kills-"
    ) as one:
        yield Path(one)


def make_pair(folder: Path) -> None:
    """Two homes of devices that are a pair, below ``folder``."""
    folders = {one: folder / one for one in SIDES}
    for one in folders.values():
        one.mkdir(mode=0o700)
    pair_once(folders, "host", None)
    assert {_state(one) for one in folders.values()} == {DeviceState.PAIRED}


def kill_commit(victim: str, fatal: int, manner: str, paired: Path | None, *, sender: str) -> Result:
    """Kill one side at a step of its commit, then let both meet; ``sender`` is who calls where both can."""
    with _homes(paired) as folders:
        struck = pair_once(folders, victim, fatal, manner)
        result = Result(f"pairing{' again' if paired else ''}, {victim}", struck.told("died") or "")
        before = {one: _state(folder) for one, folder in folders.items()}
        meeting = Child(lambda tell: _mend(folders, before, sender, tell))
        code = meeting.end()
        result.end = meeting.told("end") or "nothing"
        shown = f"{victim} killed before {result.step!r}, the other {manner}, {before}, {sender} sends"
        if code or meeting.told("fault"):
            result.faults.append(f"{shown}: {meeting.told('fault') or meeting.said}")
        result.faults += [f"{shown}: {one}" for one in _wrong_stores(folders)]
        return result


def _state(folder: Path) -> str | None:
    """How far this side's trust in the other one goes."""
    (record,) = TrustStore(folder).devices() or (None,)
    return None if record is None else record.state.value


def _keys(folder: Path) -> tuple[DeviceState, bytes] | None:
    (record,) = TrustStore(folder).devices() or (None,)
    return None if record is None else (record.state, record.pair_key)


def _wrong_stores(folders: dict[str, Path]) -> list[str]:
    """What is not as it has to be after the next meeting."""
    kept = {one: _keys(folder) for one, folder in folders.items()}
    wrong = []
    if kept["host"] is None or kept["host"] != kept["join"] or kept["host"][0] is not DeviceState.PAIRED:
        wrong.append("the two are no pair after the next meeting")
    for one, folder in folders.items():
        left = {path.name for path in folder.iterdir()} - {"lock", "trust.json", "device.key", "offers.json"}
        wrong += [f"left behind at {one}: {name}" for name in left]
    return wrong


async def _mend(
    folders: dict[str, Path],
    before: dict[str, str | None],
    sender: str,
    tell: Callable[[dict[str, Any]], None],
) -> None:
    """The next meeting. A side that says "paired" must be met; where none says so the two may have to pair anew."""
    stores = {one: TrustStore(folder) for one, folder in folders.items()}
    knows = [one for one in SIDES if before[one] is not None]
    if DeviceState.PAIRED in before.values() or len(knows) == len(SIDES):
        calls = sender if sender in knows else knows[0]
        met = await _meet(stores, calls)
        if met:
            tell({"end": f"met again, {calls} calling"})
            return
        if DeviceState.PAIRED in before.values():
            tell({"end": "a pair that cannot meet", "fault": "one side says paired and they cannot meet"})
            return
    await _pair(stores)
    tell({"end": "paired anew"})


async def _meet(stores: dict[str, TrustStore], calls: str) -> bool:
    """One side listens, the other one calls: whether they meet."""
    waits = next(one for one in SIDES if one != calls)
    settings = localpair.Settings(timeout=_ATTEMPT_S)
    (record,) = stores[calls].devices()
    async with localpair.listen(localpair.Settings(timeout=2 * _ATTEMPT_S), store=stores[waits]) as listening:
        heard = asyncio.create_task(anext(listening.sessions()))
        try:
            async with localpair.reach(record.device_id, settings, store=stores[calls]) as reaching:
                await reaching.session()
                await heard
                return True
        except LocalpairError:
            return False
        finally:
            heard.cancel()
            await asyncio.wait([heard])


async def _pair(stores: dict[str, TrustStore]) -> None:
    """Pair with a new offer."""
    settings = localpair.Settings(timeout=2 * _ATTEMPT_S)
    async with localpair.host(settings, store=stores["host"], approve=_agree) as issuer:
        async for event in issuer.events():
            if isinstance(event, localpair.OfferIssued):
                break
        offer = localpair.Offer.parse(event.text)
        async with localpair.join(offer, settings, store=stores["join"], approve=_agree) as joiner:
            await asyncio.gather(issuer.session(), joiner.session())


# --- storing


def transfer(source: Path, target: Path, victim: str, fatal: int | None) -> tuple[Child, Child]:
    """Send a folder from one process to another one, one of them killed at a step; both have ended."""
    ends = dict(zip(ENDS, socket.socketpair(), strict=True))

    def child(end: str) -> Child:
        async def main(tell: Callable[[dict[str, Any]], None]) -> None:
            ends[ENDS[end == ENDS[0]]].close()
            fate = Fate(fatal if end == victim else None, tell)
            await _transfer(end, ends[end], source if end == "send" else target, fate)
            tell({"steps": fate.names})

        return Child(main)

    children = child("send"), child("receive")
    for one in ends.values():
        one.close()
    return children


async def _transfer(end: str, sock: socket.socket, folder: Path, fate: Fate) -> None:
    sock.setblocking(False)
    sends = end == "send"
    context = server_context(certificate()) if sends else client_context()
    stream = await open_stream(sock, context, server_side=sends, timeout=20)
    async with new_session(stream) as session:
        fate.watch_frames(0)
        fate.arm()
        with suppress(LocalpairError):
            await (session.send_files([folder]) if sends else session.receive_files(folder))


def steps_of_transfer(victim: str) -> list[str]:
    """The steps of this end where nobody is killed."""
    with scratch() as folder:
        source, target = _planted(folder)
        for child in (children := transfer(source, target, victim, None)):
            assert child.end() == 0, child.said
        assert _missing(target) == []
        return list(children[ENDS.index(victim)].told("steps"))


def kill_transfer(victim: str, fatal: int) -> Result:
    """Kill one end at a step of a transfer; then both meet again, and all is sent once more."""
    with scratch() as folder:
        source, target = _planted(folder)
        children = transfer(source, target, victim, fatal)
        struck, other = children if victim == "send" else children[::-1]
        codes = struck.end(), other.end()
        result = Result("storing" if victim == "receive" else "sending", struck.told("died") or "")
        shown = f"{victim} killed before {result.step!r} ({fatal})"
        if codes[0] not in {0, -signal.SIGKILL} or codes[1]:
            result.faults.append(f"{shown}: {struck.said} {other.said}")
        result.faults += [f"{shown}: {one}" for one in faults(target, TREE, {})]
        result.end = "nothing was missing" if not _missing(target) else "some were missing"
        for child in transfer(source, target, victim, None):
            if child.end():
                result.faults.append(f"{shown}: sent again: {child.said}")
        result.faults += [f"{shown}: after the next meeting: {one}" for one in faults(target, TREE, {})]
        result.faults += [f"{shown}: still missing: {one}" for one in _missing(target)]
        return result


def _planted(folder: Path) -> tuple[Path, Path]:
    """The folder to send and the one to receive in."""
    for name, data in TREE.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    target = folder / "target"
    target.mkdir()
    return folder / "source" / "d", target


def _missing(target: Path) -> list[str]:
    """Files of the tree that do not stand whole under their name or a numbered one."""
    there: dict[str, set[bytes]] = {}
    for path in target.rglob("*"):
        if path.is_file():
            name = path.relative_to(target).as_posix().replace(" (1)", "")
            there.setdefault(name, set()).add(path.read_bytes())
    return [name for name, data in TREE.items() if data not in there.get(name, set())]
