"""Tokens and folders that several sessions share: never too many, never two in one place, free when the
holder dies.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from localpair_lab.run.semaphore import claimed, taken

import places


def test_no_more_run_than_there_are_tokens(tmp_path: Path) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(wanted: int) -> None:
        nonlocal running, most
        with taken(tmp_path, wanted, 2):
            with lock:
                running += wanted
                most = max(most, running)
            with lock:
                running -= wanted

    play(work, (1, 1, 2, 2, 1, 1))
    assert most == 2


def test_two_small_ones_run_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=10)
    met: list[int] = []

    def work(wanted: int) -> None:
        with taken(tmp_path, wanted, 2):
            met.append(together.wait())

    play(work, (1, 1))
    assert sorted(met) == [0, 1]


def play(work: Callable[[int], None], run_options: tuple[int, ...]) -> None:
    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in run_options]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_a_big_one_takes_what_there_is(tmp_path: Path) -> None:
    with taken(tmp_path, 5, 1):
        pass


def test_a_dead_holder_gives_its_tokens_back(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from localpair_lab.run.semaphore import taken\n"
        "with taken(pathlib.Path(sys.argv[1]), 2, 2): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=places.ROOT, check=False)
    with taken(tmp_path, 2, 2):
        pass


def test_two_sessions_never_write_into_one_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as first, claimed(tmp_path / "run") as second:
        assert (first.name, second.name) == ("run", "run-2")
    with claimed(tmp_path / "run") as again:
        assert again.name == "run"


def test_tokens_are_given_back_one_by_one(tmp_path: Path) -> None:
    with taken(tmp_path, 2, 2) as held:
        held.keep(3)
        with pytest.raises(BlockingIOError):
            try_to_take(tmp_path)
        held.keep(1)
        try_to_take(tmp_path)


def try_to_take(folder: Path) -> None:
    """One of two tokens, at once."""
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"token-{number}").open("w")) for number in range(2)]
        for file in files:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return
    raise BlockingIOError
