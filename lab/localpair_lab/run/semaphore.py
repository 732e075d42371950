"""A pool of tokens that all workers of a session share, so that more scenarios never run than cores can
carry.

A token is a locked file: whoever dies gives its tokens back. A taker holds the gate while it gathers, so
two takers never hold half of what they need each.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class HeldSlots:
    """Tokens in hand."""

    def __init__(self, files: list[IO[str]]) -> None:
        self._files = files

    def keep(self, count: int) -> None:
        """Give back all but ``count``."""
        while len(self._files) > count:
            self._files.pop().close()


@contextmanager
def taken(folder: Path, wanted: int, size: int) -> Iterator[HeldSlots]:
    """Hold ``wanted`` (at most ``size``) tokens of the pool in ``folder``; waits until they are free."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[IO[str]] = []
    try:
        with (folder / "gate").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            _gather(folder, min(wanted, size), size, files)
        yield HeldSlots(files)
    finally:
        for file in files:
            file.close()


def _gather(folder: Path, wanted: int, size: int, files: list[IO[str]]) -> None:
    """What is free first; for the rest, wait for one after the other."""
    busy: list[IO[str]] = []
    try:
        for number in range(size):
            if len(files) == wanted:
                return
            token: IO[str] = (folder / f"token-{number}").open("w")
            try:
                fcntl.flock(token, fcntl.LOCK_EX | fcntl.LOCK_NB)
                files.append(token)
            except BlockingIOError:
                busy.append(token)
        while len(files) < wanted:
            files.append(busy.pop(0))
            fcntl.flock(files[-1], fcntl.LOCK_EX)
    finally:
        for token in busy:
            token.close()


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """``folder``, or the same name with a number where another session writes there now."""
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        mine = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with (locks / mine.name).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            yield mine
            return


def pool_size() -> int:
    """Four tokens for each core this process may use: a scenario waits for most of its time (measured: the cores
    were busy for an eighth of it with one).
    """
    return 4 * max(1, len(os.sched_getaffinity(0)))
