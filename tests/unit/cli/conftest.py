"""A package without a network, files, and a standard input, for tests of the command line."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    Api,
)
from localpair.keys import DeviceIdentity, Role
from localpair.trust.store import DeviceRecord, TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
from cli_typing import _end_of_reading


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.delenv("LOCALPAIR_OFFER", raising=False)
    monkeypatch.delenv("LOCALPAIR_DEBUG", raising=False)
    monkeypatch.delenv("LOCALPAIR_TRACE", raising=False)
    return Api(tmp_path / "home")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    return path


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Lets standard input be a pipe that holds some bytes and ends."""
    with contextlib.ExitStack() as opened:

        def pipe(data: bytes) -> None:
            reading, writing = os.pipe()
            os.write(writing, data)
            os.close(writing)
            monkeypatch.setattr(sys, "stdin", opened.enter_context(os.fdopen(reading)))

        yield pipe
        _end_of_reading()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Lets standard input be a terminal; what is written to the descriptor is typed there."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
        os.close(master)
        _end_of_reading()


@pytest.fixture
def paired(api: Api) -> DeviceRecord:
    identity = DeviceIdentity.generate()
    store = TrustStore(api.home)
    record = DeviceRecord(
        device_id=identity.device_id,
        public_key=identity.public,
        pair_key=b"k" * 32,
        role=Role.ISSUER,
        label="Anna's laptop",
    )
    store.record_unconfirmed(record)
    return store.confirm(record.device_id)
