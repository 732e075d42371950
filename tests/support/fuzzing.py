"""Fuzzing of parsers: inputs that are changed from valid ones, and what must hold for each of them.

A parser may read an input or refuse it with its documented error. Anything else is a fault: another exception, a value
that does not come out the same when it is written and read again, more time or more memory than a bound.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Final

LIMIT_S: Final = 0.1  # of the processor's time, for one input of a few hundred bytes ...
LIMIT_S_PER_BYTE: Final = 2e-6  # ... and for each byte of a longer one
LIMIT_BYTES: Final = 1 << 20  # of memory at once, for one input ...
LIMIT_TIMES: Final = 64  # ... and for each byte of a longer one
FAULTS_KEPT: Final = 5
_TRIES: Final = 3
_WEIGHED: Final = 128  # one input of so many has its memory counted
_LONG_SHARE: Final = 0.0005  # of all inputs are as long as they can be, where that is no more than ...
_LONG_BYTES: Final = 64 * 1024  # ... and fewer of longer ones, so that they cost no more together
_HUGE: Final = tuple((1 << bits) - step for bits in (7, 8, 15, 16, 31, 32, 63, 64) for step in (0, 1))


class Unstable(AssertionError):  # noqa: N818 - a finding and no error of this program
    """What was read and written is not what was read."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A parser under test. ``take`` reads one input; ``refuses`` are the errors that it documents.

    ``words`` are worth trying inside an input, ``limit`` is the longest one that can come in, in bytes. ``share`` is
    the part of the asked inputs that it gets: 1.0 but for slow ones.
    """

    name: str
    take: Callable[[bytes], object]
    samples: tuple[bytes, ...]
    refuses: tuple[type[Exception], ...]
    words: tuple[bytes, ...] = ()
    limit: int = 4096
    share: float = 1.0


@dataclass(slots=True)
class Outcome:
    """What came of many inputs to one parser."""

    name: str
    inputs: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest_size: int = 0
    memory: int = 0  # at most, of those inputs that were weighed
    faults: list[str] = field(default_factory=list)

    def blame(self, number: int, data: bytes, why: str) -> None:
        """Keep a fault with the input that shows it."""
        if len(self.faults) < FAULTS_KEPT:
            shown = data.hex() if len(data) <= 600 else f"{data[:300].hex()}... of {len(data)} bytes"
            self.faults.append(f"{self.name}, input {number}: {why}: {shown}")


class Mutator:
    """Inputs without end, the same ones for the same dice."""

    def __init__(self, dice: random.Random, subject: Subject) -> None:
        self._dice, self._limit = dice, subject.limit
        self._long = _LONG_SHARE * min(1.0, _LONG_BYTES / subject.limit)
        self._samples = subject.samples
        self._words = subject.words or (b"\0",)
        self._changes = (
            self._flip, self._set, self._number, self._cut, self._drop, self._double, self._splice, self._insert,
            self._word,
        )  # fmt: skip

    def next(self) -> bytes:
        """One more input."""
        dice = self._dice
        kind = dice.random()
        if kind < 0.05:
            return dice.randbytes(dice.randrange(dice.choice((8, 64, 512))))[: self._limit]
        data = bytearray(dice.choice(self._samples))
        for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
            dice.choice(self._changes)(data)
        if kind > 1 - self._long:
            self._blow_up(data)
        return bytes(data[: self._limit])

    def _place(self, data: bytearray) -> int:
        return self._dice.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            value = self._dice.choice((0, 1, 2, 127, 128, 254, 255, self._dice.randrange(256)))
            data[self._dice.randrange(len(data))] = value

    def _number(self, data: bytearray) -> None:
        """A length or a count becomes huge."""
        size, at = self._dice.choice((1, 2, 4, 8)), self._place(data)
        value = self._dice.choice(_HUGE) % (1 << 8 * size)
        data[at : at + size] = value.to_bytes(size, self._dice.choice(("big", "little")))

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _drop(self, data: bytearray) -> None:
        at = self._place(data)
        del data[at : at + self._dice.choice((1, 2, 4, 16))]

    def _double(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = data[at : at + self._dice.choice((1, 4, 16, 64))]

    def _splice(self, data: bytearray) -> None:
        other = self._dice.choice(self._samples)
        data[self._place(data) :] = other[self._dice.randrange(len(other) + 1) :]

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._dice.randbytes(self._dice.choice((1, 2, 4, 32)))

    def _word(self, data: bytearray) -> None:
        at = self._place(data)
        data[at : at + self._dice.choice((0, 1, 3))] = self._dice.choice(self._words)

    def _blow_up(self, data: bytearray) -> None:
        """As long as an input can be: a part of it again and again."""
        at = self._place(data)
        part = bytes(data[at : at + self._dice.choice((1, 2, 8, 64))]) or b"\xff"
        data[at:at] = part * (self._limit // len(part))


def fuzz(subject: Subject, inputs: int, seed: str) -> Outcome:
    """Give ``inputs`` inputs to a parser, the same ones for the same seed."""
    outcome = Outcome(subject.name)
    mutator = Mutator(random.Random(f"{seed} {subject.name}"), subject)
    started = time.perf_counter()
    for number in range(inputs):
        data = mutator.next()
        before = time.perf_counter()
        _try(subject, data, number, outcome)
        spent = time.perf_counter() - before
        if spent > outcome.slowest_s:
            _time(subject, data, number, outcome, spent)
        if number % _WEIGHED == 0 or len(data) == subject.limit:
            _weigh(subject, data, number, outcome)
    outcome.seconds = time.perf_counter() - started
    outcome.inputs = inputs
    return outcome


def _try(subject: Subject, data: bytes, number: int, outcome: Outcome) -> None:
    try:
        subject.take(data)
    except subject.refuses:
        outcome.refused += 1
    except Exception as error:  # noqa: BLE001 - whatever else it raises is what is looked for
        outcome.blame(number, data, repr(error))
    else:
        outcome.read += 1


def _quietly(subject: Subject, data: bytes) -> None:
    try:
        subject.take(data)
    except Exception:  # noqa: BLE001, S110 - told by the first try
        pass


def _time(subject: Subject, data: bytes, number: int, outcome: Outcome, spent: float) -> None:
    """``data`` may be the slowest one: what it really costs, in the processor's time. The machine may be busy."""
    for _ in range(_TRIES):
        before = time.thread_time()
        _quietly(subject, data)
        spent = min(spent, time.thread_time() - before)
    if spent <= outcome.slowest_s:
        return
    outcome.slowest_s, outcome.slowest_size = spent, len(data)
    if spent > LIMIT_S + LIMIT_S_PER_BYTE * len(data):
        outcome.blame(number, data, f"took {spent * 1000:.0f} ms")


def _weigh(subject: Subject, data: bytes, number: int, outcome: Outcome) -> None:
    tracemalloc.start()
    try:
        _quietly(subject, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    outcome.memory = max(outcome.memory, peak)
    if peak > LIMIT_BYTES + LIMIT_TIMES * len(data):
        outcome.blame(number, data, f"took {peak} bytes of memory")


@contextmanager
def entered(found: set[CodeType]) -> Iterator[None]:
    """Every function of Python that is called meanwhile goes into ``found``."""

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            found.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def stable(value: object, write: Callable[[Any], bytes], read: Callable[[bytes], object]) -> bytes:
    """What ``value`` is written as, after a check that it is read as the same value and written the same again."""
    once = write(value)
    again = read(once)
    if again != value:
        raise Unstable("what was written is read as another value")
    if write(again) != once:
        raise Unstable("it is written in another way the second time")
    return once


def chosen(subjects: Sequence[Subject], words: Sequence[str]) -> list[Subject]:
    """The subjects whose names hold one of the words; all where there is none."""
    return [one for one in subjects if not words or any(word in one.name for word in words)]
