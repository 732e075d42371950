"""The device's key: made once, never overwritten, never lost in silence."""

from __future__ import annotations

import errno
import subprocess
import threading
from pathlib import Path

import pytest

from localpair.errors import StateError
from localpair.keys import DeviceIdentity
from localpair.trust import state_folder
from localpair.trust.store import TrustStore
from trust_files import POSIX, finish, mode, python
from trust_records import paired


def test_the_key_is_made_once_and_stays(folder: Path, store: TrustStore) -> None:
    first = store.identity()
    assert len(first) == 32
    assert store.identity() == TrustStore(folder).identity() == first
    assert DeviceIdentity.from_private_bytes(first).private_bytes() == first
    if POSIX:
        assert mode(folder / "device.key") == 0o600
        assert mode(folder) == 0o700


IDENTITY = """
import sys
from pathlib import Path
from localpair.trust.store import TrustStore
store = TrustStore(Path(sys.argv[1]))
sys.stdin.read()
print(store.identity().hex())
"""


def test_processes_that_race_for_the_key_end_with_one(folder: Path) -> None:
    racers = [python(IDENTITY, str(folder), stdin=subprocess.PIPE) for _ in range(5)]
    keys = set()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    for racer in racers:
        keys.add(finish(racer))
    assert len(keys) == 1
    assert sorted(entry.name for entry in folder.iterdir()) == ["device.key", "lock"]


def test_threads_that_race_for_the_key_end_with_one_even_without_locks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(state_folder, "_lock", refuse)
    keys: set[bytes] = set()
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        keys.add(TrustStore(folder).identity())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"\0" * 32, b"x" * 33])
def test_a_corrupt_key_is_reported_and_kept(content: bytes, folder: Path, store: TrustStore) -> None:
    folder.mkdir()
    (folder / "device.key").write_bytes(content)
    with pytest.raises(StateError, match="does not hold a device key") as caught:
        store.identity()
    assert caught.value.hint is not None
    assert "backup" in caught.value.hint
    assert (folder / "device.key").read_bytes() == content


def test_a_lost_key_is_told_when_devices_are_paired(
    folder: Path, store: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    old = store.identity()
    assert not caplog.records
    paired(store)
    (folder / "device.key").unlink()
    assert store.identity() != old
    assert "was missing" in caplog.text
