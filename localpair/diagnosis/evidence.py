"""What a check writes down while it runs: plain facts that are kept even if the check never ends."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias

from localpair.dataclass import dataclass
from localpair.diagnosis.record import Status
from localpair.errors import LocalpairError

if TYPE_CHECKING:
    from types import TracebackType

    from localpair.diagnosis.facts import Facts, Json
    from localpair.net.netcheck.timed import TimedCall

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a check's notes at one moment. ``summary`` is empty where the check has said nothing yet."""

    status: Status
    summary: str
    facts: Facts


class CheckNotes:
    """A check's notebook. Written by the check's thread, read by the series, at any time.

    Facts are turned into plain JSON values when they are noted; bytes are refused, since a secret is bytes. After
    ``close`` a check that was given up writes into nothing.
    """

    def __init__(self, allowance: float, clock: Clock = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock, self._end = clock, clock() + allowance
        self._facts: dict[str, Json] = {}
        self._sentences: dict[Status, list[str]] = {status: [] for status in Status}
        self._closed = False

    def left(self) -> float:
        """Seconds until this check is given up; never negative."""
        return max(0.0, self._end - self._clock())

    def fact(self, name: str, value: object) -> None:
        """Note one fact; a later one of the same name replaces it. TypeError for what is no plain value."""
        converted = plain(value)
        with self._lock:
            if not self._closed:
                self._facts[name] = converted

    def has(self, name: str) -> bool:
        """Whether a fact of this name was noted."""
        with self._lock:
            return name in self._facts

    def add(self, name: str, item: object) -> None:
        """Add one item to the list ``name``."""
        converted = plain(item)
        with self._lock:
            if not self._closed:
                existing = self._facts.get(name)
                self._facts[name] = [*existing, converted] if isinstance(existing, list) else [converted]

    def say(self, sentence: str) -> None:
        """A part of the summary, where all is well."""
        self._note(Status.OK, sentence)

    def fail(self, sentence: str) -> None:
        """A fault was found in the host or its network; may be said several times."""
        self._note(Status.FAILED, sentence)

    def skip(self, reason: str) -> None:
        """The check does not apply here."""
        self._note(Status.SKIPPED, reason)

    def close(self) -> Snapshot:
        """Take what has been noted; whatever comes later is dropped."""
        with self._lock:
            self._closed = True
            for status in (Status.FAILED, Status.SKIPPED, Status.OK):
                if self._sentences[status]:
                    return Snapshot(status, "; ".join(self._sentences[status]), dict(self._facts))
            return Snapshot(Status.OK, "", dict(self._facts))

    def _note(self, status: Status, sentence: str) -> None:
        with self._lock:
            if not self._closed:
                self._sentences[status].append(sentence)


def plain(value: object) -> Json:
    """``value`` as JSON: addresses, paths and enums as text, sets sorted. TypeError for anything unknown."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, IPv4Address | IPv6Address | PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no plain value")


def failure(error: BaseException) -> Facts:
    """An error as facts, without any text that the program's data could have got into.

    ``errno`` is symbolic (``ECONNREFUSED``), ``number`` and ``text`` are the system's; ``where`` is the line of
    localpair that raised it. An error of ours keeps its message, which never holds a secret.
    """
    facts: dict[str, Json] = {"type": type(error).__name__, "where": _place(error.__traceback__)}
    if isinstance(error, LocalpairError):
        facts.update(text=error.message, hint=error.hint)
    elif isinstance(error, OSError):
        facts.update(system_error(error))
    return {name: value for name, value in facts.items() if value not in (None, "")}


def system_error(error: OSError) -> Facts:
    """The part of ``failure`` that the system tells; empty values where it tells nothing."""
    number = error.errno if isinstance(error.errno, int) else 0
    name = errno.errorcode.get(number, "")
    if not name:
        return {"errno": "ETIMEDOUT" if isinstance(error, TimeoutError) else "", "number": number or None}
    return {"errno": name, "number": number, "text": os.strerror(number)}


def outcome(tried: TimedCall) -> Facts:
    """One try as facts: ``outcome`` ok or failed, milliseconds, and what the system said."""
    facts: dict[str, Json] = {"outcome": "ok" if tried.ok else "failed", "ms": plain(tried.ms)}
    if tried.error is not None:
        said = system_error(tried.error)
        facts.update({name: value for name, value in said.items() if value not in (None, "")})
    return facts


def word(error: OSError | None) -> str:
    """What the system said, in one word: ``ok``, ``EACCES``, or ``failed`` where it has no name."""
    return "ok" if error is None else str(system_error(error)["errno"] or "failed")


def _place(traceback: TracebackType | None) -> str:
    """The innermost line of our own code, as ``file.py:12``; of any code where none of ours is on the way."""
    place = ""
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if "localpair" in path.parts or not place:
            place = f"{path.name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
