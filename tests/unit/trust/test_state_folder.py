"""The folder of the state: private, replaced file by file, locked between processes."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from localpair.errors import StateError
from localpair.trust import state_folder
from localpair.trust.store import TrustStore
from trust_files import POSIX, TESTS_ON_PATH, finish, mode, posix_only, python
from trust_records import paired, record

# -- The folder ----------------------------------------------------------------------------------------------


def test_the_folder_is_taken_from_the_environment_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALPAIR_HOME", str(tmp_path / "a" / "b"))
    assert state_folder.state_folder() == tmp_path / "a" / "b"
    if POSIX:
        assert mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_platform_decides(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALPAIR_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("LOCALPAIR_HOME", value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = state_folder.state_path()
    assert path.name == "localpair"
    assert path.is_absolute()
    if sys.platform == "linux":
        assert path == tmp_path / "localpair"
        assert not path.exists()


def test_a_folder_that_cannot_be_made_is_a_state_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOCALPAIR_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(StateError, match="cannot create the folder") as caught:
        state_folder.state_folder()
    assert caught.value.hint is not None
    assert "LOCALPAIR_HOME" in caught.value.hint


def test_reading_creates_nothing(folder: Path, store: TrustStore) -> None:
    assert store.devices() == ()
    assert store.find("x") is None
    assert not store.is_revoked("x")
    assert store.generation == 0
    assert not folder.exists()


# -- Files that are replaced whole ---------------------------------------------------------------------------


@posix_only
def test_a_file_is_private_from_its_first_byte_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(stat.S_IMODE(os.fstat(fd).st_mode)), fsync(fd)))
    before = os.umask(0)
    try:
        state_folder.write_private(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert seen[0] == 0o600
    assert len(seen) == 2, "the file and its folder are flushed"
    assert mode(tmp_path / "file") == 0o600
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    state_folder.write_private(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr(os, "fdopen", fail)
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StateError, match="No space left on device"):
        state_folder.write_private(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


LIMITED = """
import resource, sys
from pathlib import Path
from localpair.errors import StateError
from localpair.trust.state_folder import write_private
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_private(Path(sys.argv[1]), b"n" * 5000)
except StateError as error:
    print("refused", error)
"""


@posix_only
def test_a_real_write_that_breaks_off_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    state_folder.write_private(path, b"old")
    assert finish(python(LIMITED, str(path))).startswith("refused")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


FULL_DISK = """
import errno, sys
from pathlib import Path
from localpair.errors import StateError
from localpair.trust.state_folder import locked, remove_leftovers
from localpair.trust.store import TrustStore
folder = Path(sys.argv[1])
store = TrustStore(folder)
store.identity()
before = (folder / "device.key").read_bytes()
filler = (folder / "filler").open("wb")
try:
    while True:
        filler.write(b"x" * 4096); filler.flush()
except OSError as error:
    assert error.errno == errno.ENOSPC
from trust_records import record
try:
    store.record_unconfirmed(record())
except StateError as error:
    print("refused:", error)
assert store.devices() == () and store.identity() == before
assert sorted(p.name for p in folder.iterdir()) == ["device.key", "filler", "lock"], list(folder.iterdir())
"""


@pytest.mark.netns
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_full_disk_refuses_the_pair_and_keeps_the_store(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL_DISK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=TESTS_ON_PATH)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout


READ_ONLY = """
import sys
from pathlib import Path
from localpair.errors import StateError
from localpair.trust.store import TrustStore
from trust_records import record
store = TrustStore(Path(sys.argv[1]))
assert len(store.devices()) == 1 and len(store.identity()) == 32
for action in (lambda: store.revoke(record().device_id), lambda: store.record_unconfirmed(record(2))):
    try:
        action()
    except StateError as error:
        print("refused:", error)
"""


@pytest.mark.netns
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_read_only_disk_can_be_read_and_refuses_changes(folder: Path, store: TrustStore) -> None:
    store.identity()
    paired(store)
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(folder), sys.executable, READ_ONLY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=TESTS_ON_PATH)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Read-only file system") == 2
    assert store.find(record().device_id) is not None


def test_create_private_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert state_folder.create_private(path, b"first")
    assert not state_folder.create_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_create_private_never_replaces_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_create_private_never_replaces(tmp_path)


@posix_only
def test_a_file_that_others_can_read_becomes_private_with_a_warning(
    folder: Path, store: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.identity()
    paired(store)
    for name in ("device.key", "trust.json"):
        (folder / name).chmod(0o644)
    store.identity()
    TrustStore(folder).devices()
    assert mode(folder / "device.key") == mode(folder / "trust.json") == 0o600
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING] * 2
    assert "0644" in caplog.text


# -- The lock ------------------------------------------------------------------------------------------------


def test_the_lock_excludes_another_thread_and_its_wait_is_bounded(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with state_folder.locked(tmp_path):
            entered.set()
            leave.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(10)
        with pytest.raises(StateError, match="another process"), state_folder.locked(tmp_path, wait=0.05):
            pass
    finally:
        leave.set()
        holder.join()
    with state_folder.locked(tmp_path, wait=0.05):
        pass


HOLD = """
import sys
from pathlib import Path
from localpair.trust.state_folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_death_of_its_holder_frees_the_lock(tmp_path: Path) -> None:
    process = python(HOLD, str(tmp_path), stdin=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StateError), state_folder.locked(tmp_path, wait=0.05):
            pass
    finally:
        process.kill()
        process.communicate()
    with state_folder.locked(tmp_path, wait=5):
        pass
