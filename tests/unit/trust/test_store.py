"""The trust store and the files it is made of: what survives crashes, races, full disks and bad content."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
import traceback
import unicodedata
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
from localpair.candidate import Candidate, Origin
from localpair.errors import Refusal, RefusedError, StateError, UsageError
from localpair.keys import DeviceIdentity, Role
from localpair.labels import better_label, clean_label, general_name
from localpair.limits import LABEL_BYTES, REMEMBERED_ADDRESSES, TRUST_BYTES
from localpair.trust import file as trust_file
from localpair.trust import state_folder
from localpair.trust.file import Document, dump, parse
from localpair.trust.store import DeviceState, TrustStore
from trust_records import paired, record

POSIX = os.name == "posix"


TESTS_ON_PATH = {**os.environ, "PYTHONPATH": str(places.SUPPORT)}


posix_only = pytest.mark.skipif(not POSIX, reason="POSIX modes and signals")


def candidate(text: str, port: int = 46821) -> Candidate:
    return Candidate(ip_address(text), port)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def chain(error: BaseException | None) -> list[BaseException]:
    """The error and whatever hangs on it, hidden or not."""
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


def python(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> TrustStore:
    return TrustStore(folder)


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


# -- The device's key ----------------------------------------------------------------------------------------


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


# -- Pairing, in two steps -----------------------------------------------------------------------------------


def test_a_pair_is_pending_until_it_is_confirmed(folder: Path, store: TrustStore) -> None:
    new = record(label="Ana's laptop", addresses=(candidate("192.168.1.20"),))
    store.record_unconfirmed(replace(new, state=DeviceState.PAIRED))
    again = TrustStore(folder)
    assert [device.state for device in again.devices()] == [DeviceState.UNCONFIRMED]
    assert again.unconfirmed()[0].pair_key == new.pair_key

    confirmed = again.confirm(new.device_id)
    assert confirmed.state is DeviceState.PAIRED
    assert store.devices() == (confirmed,)
    assert store.unconfirmed() == ()
    assert (confirmed.public_key, confirmed.pair_key, confirmed.role, confirmed.label) == (
        new.public_key,
        new.pair_key,
        Role.ISSUER,
        "Ana's laptop",
    )
    assert confirmed.addresses[0].origin is Origin.REMEMBERED
    assert again.confirm(new.device_id) == confirmed, "a repeated acknowledgement changes nothing"


def test_a_failed_new_pairing_leaves_the_standing_pair_untouched(store: TrustStore) -> None:
    standing = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    assert store.devices() == (standing,), "the peer may still hold the old key alone"
    assert [device.pair_key for device in store.unconfirmed()] == [b"\x07" * 32]
    store.drop_unconfirmed(standing.device_id)
    assert store.devices() == (standing,)
    assert store.unconfirmed() == ()


def test_a_new_pairing_replaces_the_key_and_keeps_what_people_gave(store: TrustStore) -> None:
    first = paired(store, addresses=(candidate("192.168.1.20"),))
    store.rename(first.device_id, "kitchen")
    second = paired(store, pair_key=b"\x07" * 32, addresses=(candidate("192.168.1.77"),), label="renamed")
    assert store.devices() == (second,)
    assert (second.pair_key, second.alias, second.label) == (b"\x07" * 32, "kitchen", "renamed")
    assert [str(kept) for kept in second.addresses] == ["192.168.1.77:46821", "192.168.1.20:46821"]


def test_confirming_what_was_forgotten_meanwhile_is_refused(store: TrustStore) -> None:
    store.record_unconfirmed(record())
    store.forget(record().device_id)
    with pytest.raises(RefusedError) as caught:
        store.confirm(record().device_id)
    assert caught.value.reason is Refusal.UNKNOWN_DEVICE
    assert store.devices() == ()


def test_a_record_whose_parts_do_not_fit_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="not the id"):
        record(device_id="abcdefghijklmnop")
    with pytest.raises(ValueError, match="32 bytes"):
        record(pair_key=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        record(public_key=b"short")


# -- Forget and revoke ---------------------------------------------------------------------------------------


def test_forget_removes_every_trace_of_the_keys(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    other = paired(store, 2)
    store.forget(device.device_id)
    assert store.devices() == (other,)
    content = (folder / "trust.json").read_text()
    for trace in (device.pair_key.hex(), "07" * 32, device.public_key.hex(), device.device_id):
        assert trace not in content
    assert paired(store).state is DeviceState.PAIRED, "a forgotten device can be paired again"
    with pytest.raises(UsageError):
        store.forget("nobody")


def test_a_revoked_device_is_refused_at_once_in_other_processes_too(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    live = TrustStore(folder)
    generation = live.generation
    assert not live.is_revoked(device.device_id)
    store.revoke(device.device_id)
    assert live.is_revoked(device.device_id)
    assert live.generation > generation
    assert live.get(device.device_id).state is DeviceState.REVOKED


def test_a_revoked_device_comes_back_only_through_forget(store: TrustStore) -> None:
    device = paired(store)
    store.record_unconfirmed(record(pair_key=b"\x07" * 32))
    store.revoke(device.device_id)
    assert store.unconfirmed() == (), "a pairing that was under way dies with it"
    for attempt in (lambda: store.record_unconfirmed(record()), lambda: store.confirm(device.device_id)):
        with pytest.raises(RefusedError) as caught:
            attempt()
        assert caught.value.reason is Refusal.REVOKED
        assert caught.value.hint is not None
        assert "forget" in caught.value.hint
    store.touch(device.device_id, [candidate("192.168.1.9")])
    assert store.is_revoked(device.device_id)
    store.forget(device.device_id)
    assert not store.is_revoked(device.device_id)
    paired(store)


def test_generation_grows_with_keys_and_not_with_addresses(store: TrustStore) -> None:
    seen = [store.generation]
    store.record_unconfirmed(record())
    seen.append(store.generation)
    store.drop_unconfirmed(record().device_id)
    seen.append(store.generation)
    store.drop_unconfirmed(record().device_id)
    assert store.generation == seen[-1], "nothing was dropped"
    device = paired(store)
    seen.append(store.generation)
    store.touch(device.device_id, [candidate("192.168.1.9")])
    store.rename(device.device_id, "x")
    assert store.generation == seen[-1]
    store.revoke(device.device_id)
    seen.append(store.generation)
    store.forget(device.device_id)
    seen.append(store.generation)
    assert seen == sorted(set(seen))


def test_an_unchanged_file_is_not_parsed_again_and_a_changed_one_is(
    folder: Path, store: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = paired(store)
    old = (folder / "trust.json").stat().st_mtime - 60
    os.utime(folder / "trust.json", (old, old))
    parsed: list[int] = []
    original = trust_file.parse
    monkeypatch.setattr(trust_file, "parse", lambda data: (parsed.append(len(data)), original(data))[1])
    for _ in range(50):
        assert not store.is_revoked(device.device_id)
    assert len(parsed) == 1
    TrustStore(folder).revoke(device.device_id)
    assert store.is_revoked(device.device_id)


def test_a_change_within_one_tick_of_the_clock_of_files_is_seen(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    before = (folder / "trust.json").stat()
    assert not store.is_revoked(device.device_id)
    content = (folder / "trust.json").read_bytes()
    same_size = content.replace(b'"state": "paired",\n', b'"state":"revoked",\n')
    assert len(same_size) == len(content)
    with (folder / "trust.json").open("r+b") as file:
        file.write(same_size)
    os.utime(folder / "trust.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.is_revoked(device.device_id)


# -- Names and addresses -------------------------------------------------------------------------------------


def test_a_device_is_found_by_id_name_or_unique_beginning(store: TrustStore) -> None:
    one, two = paired(store, 1, label="Ana"), paired(store, 2, label="Bo")
    store.rename(two.device_id, "Kitchen")
    for name in (one.device_id, one.device_id.upper(), "Ana", " ana ", one.device_id[:6]):
        assert store.get(name).device_id == one.device_id
    assert store.get("KITCHEN").device_id == two.device_id
    for name in ("Bo", "", " ", "nobody"):
        with pytest.raises(UsageError, match="no paired device"):
            store.get(name)
    assert store.find(one.device_id) == one
    assert store.find(one.device_id[:6]) is None


def test_an_ambiguous_name_lists_whom_it_could_mean(store: TrustStore) -> None:
    one, two = paired(store, 1, label="Ana"), paired(store, 2, label="ana")
    with pytest.raises(UsageError) as caught:
        store.get("Ana")
    assert one.device_id in str(caught.value)
    assert two.device_id in str(caught.value)


def test_an_ambiguous_beginning_is_refused_and_a_longer_one_is_not(store: TrustStore) -> None:
    found: dict[str, int] = {}
    pair = next(
        (found[letter], number)
        for number in range(1, 200)
        if (letter := record(number).device_id[0]) in found or found.update({letter: number})
    )
    one, two = (paired(store, number) for number in pair)
    with pytest.raises(UsageError, match="could be any of"):
        store.get(one.device_id[0])
    length = next(n for n in range(1, 17) if one.device_id[:n] != two.device_id[:n])
    assert store.get(one.device_id[:length]) == one


def test_a_name_beats_the_beginning_of_an_id_and_an_id_beats_a_name(store: TrustStore) -> None:
    one, two = paired(store, 1), paired(store, 2)
    store.rename(two.device_id, one.device_id[:4])
    assert store.get(one.device_id[:4]).device_id == two.device_id
    store.rename(two.device_id, one.device_id)
    assert store.get(one.device_id).device_id == one.device_id


def test_rename_and_back(store: TrustStore) -> None:
    device = paired(store, label="Ana")
    paired(store, 2, label="Bo")
    assert store.rename(device.device_id, "  Living\troom ").name == "Living\ufffdroom"
    assert store.rename(device.device_id, "").name == "Ana"
    with pytest.raises(UsageError, match="called 'bo' already"):
        store.rename(device.device_id, "bo")
    with pytest.raises(UsageError):
        store.rename("nobody", "x")


def test_touch_keeps_the_newest_good_addresses(store: TrustStore) -> None:
    device = paired(store, addresses=(candidate("192.168.1.20"),))
    many = [candidate(f"192.168.1.{number}") for number in range(30, 30 + REMEMBERED_ADDRESSES + 3)]
    store.touch(device.device_id, many)
    kept = store.get(device.device_id)
    assert [str(k.address) for k in kept.addresses] == [str(c.address) for c in many[:REMEMBERED_ADDRESSES]]
    assert kept.last_seen >= device.last_seen > 0
    store.touch(device.device_id, [candidate("192.168.1.33")])
    assert str(store.get(device.device_id).addresses[0].address) == "192.168.1.33"
    assert len(store.get(device.device_id).addresses) == REMEMBERED_ADDRESSES


def test_touch_keeps_no_address_that_must_not_be_dialled_and_no_scope(store: TrustStore) -> None:
    device = paired(store)
    bad = ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff12::1", "::"]
    scoped = Candidate(ip_address("fe80::1%eth0"), 46821, scope=7, prefix=64, interface="eth0")
    store.touch(device.device_id, [*(candidate(text) for text in bad), scoped, scoped])
    (kept,) = store.get(device.device_id).addresses
    assert (str(kept.address), kept.scope, kept.interface, kept.port) == ("fe80::1", 0, None, 46821)


def test_touch_never_brings_a_forgotten_device_back(store: TrustStore) -> None:
    device = paired(store)
    store.forget(device.device_id)
    store.touch(device.device_id, [candidate("192.168.1.9")])
    assert store.devices() == ()


@given(st.text(max_size=120))
def test_a_clean_label_is_short_visible_and_stays_as_it_is(text: str) -> None:
    label = clean_label(text)
    assert len(label.encode()) <= LABEL_BYTES
    assert all(unicodedata.category(character)[0] != "C" for character in label)
    assert "\n" not in label
    assert clean_label(label) == label


def test_hostile_labels_are_replaced_before_they_are_stored(store: TrustStore) -> None:
    device = paired(store, label="\x1b[31mred\x07\u202egnp.exe\u200b")
    assert device.label == "\ufffd[31mred\ufffd\ufffdgnp.exe\ufffd"
    assert len(paired(store, 2, label="ä" * 500).label.encode()) == LABEL_BYTES


# -- Several writers -----------------------------------------------------------------------------------------


WRITE = """
import sys
from pathlib import Path
from trust_records import paired, record
from localpair.trust.store import TrustStore
store = TrustStore(Path(sys.argv[1]))
first = int(sys.argv[2])
for number in range(first, first + 6):
    paired(store, number)
"""


def test_processes_that_write_at_once_lose_nothing(folder: Path, store: TrustStore) -> None:
    writers = [python(WRITE, str(folder), str(first), env=TESTS_ON_PATH) for first in (10, 20, 30, 40)]
    for writer in writers:
        finish(writer)
    wanted = {record(first + step).device_id for first in (10, 20, 30, 40) for step in range(6)}
    assert {device.device_id for device in store.devices()} == wanted
    assert {device.state for device in store.devices()} == {DeviceState.PAIRED}
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]


TOUCH = """
import sys
from pathlib import Path
from trust_records import record
from localpair.trust.store import TrustStore
store = TrustStore(Path(sys.argv[1]))
while True:
    store.touch(record().device_id)
    print("touched", flush=True)
"""


@posix_only
def test_killing_a_writer_at_any_moment_leaves_a_whole_store(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    for _ in range(5):
        writer = python(TOUCH, str(folder), env=TESTS_ON_PATH)
        assert writer.stdout is not None
        for _ in range(3):
            assert writer.stdout.readline() == "touched\n"
        writer.kill()
        writer.communicate()
        assert store.get(device.device_id).pair_key == device.pair_key
    (folder / ".trust.json.0123456789abcdef.tmp").write_bytes(b"half")
    store.touch(device.device_id)
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]


# -- Content that is broken, newer or unknown ----------------------------------------------------------------


def test_a_store_cut_off_anywhere_is_reported_kept_aside_and_never_used(
    folder: Path, store: TrustStore
) -> None:
    paired(store)
    paired(store, 2)
    whole = (folder / "trust.json").read_bytes()
    cuts = [0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 3]
    for number, cut in enumerate(cuts, 1):
        (folder / "trust.json").write_bytes(whole[:cut])
        kept = folder / f"trust.json.broken-{number}"
        with pytest.raises(StateError) as caught:
            store.devices()
        assert str(kept) in str(caught.value)
        assert kept.read_bytes() == whole[:cut]
        assert not (folder / "trust.json").exists()
        assert store.devices() == ()
    (folder / "trust.json").write_bytes(whole)
    assert len(store.devices()) == 2, "the file can be put back"


def test_a_broken_store_stops_a_change_too(folder: Path, store: TrustStore) -> None:
    paired(store)
    (folder / "trust.json").write_bytes(b"{")
    with pytest.raises(StateError, match="broken-1"):
        store.record_unconfirmed(record(2))
    assert (folder / "trust.json.broken-1").read_bytes() == b"{"
    assert not (folder / "trust.json").exists(), "nothing was written in its place"


def spoilt(change: str) -> bytes:
    text = dump(Document().put(record(pair_key=b"\xaa" * 32, state=DeviceState.PAIRED))).decode()
    before, after = change.split(" -> ")
    assert before in text
    return text.replace(before, after).encode()


@pytest.mark.parametrize(
    "change",
    [
        '"pair_key": "aa -> "pair_key": "zz',
        '"pair_key": "aa -> "pair_key": "',
        '"state": "paired" -> "state": "befriended"',
        '"role": "issuer" -> "role": 7',
        '"public_key": "01 -> "public_key": "02',
        '"addresses": [] -> "addresses": [["not an address", 1]]',
        '"addresses": [] -> "addresses": {"a": 1}',
        '"last_seen": 0.0 -> "last_seen": "aaaa"',
        '"last_seen": 0.0 -> "last_seen": 1e999',
        '"version": 1 -> "version": "1"',
        '"devices": [ -> "gadgets": [',
        '"label": "device 1" -> "label": "device 1',
    ],
)
def test_no_error_about_a_broken_store_holds_any_of_its_content(
    change: str, folder: Path, store: TrustStore
) -> None:
    folder.mkdir()
    (folder / "trust.json").write_bytes(spoilt(change))
    with pytest.raises(StateError) as caught:
        store.devices()
    for error in chain(caught.value):
        shown = repr(error) + str(vars(error)) + "".join(traceback.format_exception(error))
        assert "aaaaaaaa" not in shown.lower()
        assert not isinstance(error, json.JSONDecodeError), "it carries the whole document"


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"\xff\xfe", b"null", b'{"version": 0}', b" " * (TRUST_BYTES + 1)]
)
def test_absurd_content_is_broken_content(content: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        parse(content)


@given(st.binary(max_size=300))
def test_garbage_is_a_store_or_one_error(data: bytes) -> None:
    try:
        assert isinstance(parse(data), Document)
    except ValueError:
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


KNOWN = frozenset(json.loads(dump(Document().put(record())))["devices"][0])


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KNOWN, JSON)))
def test_a_device_with_odd_values_is_a_record_or_one_error(odd: dict[str, object]) -> None:
    content = json.loads(dump(Document().put(record())))
    content["devices"][0].update(odd)
    try:
        document = parse(json.dumps(content).encode())
    except ValueError:
        return
    assert parse(dump(document)) == document


@given(JSON, JSON)
def test_unknown_fields_survive_every_rewrite(of_file: object, of_device: object) -> None:
    content = json.loads(dump(Document().put(record(state=DeviceState.PAIRED))))
    content["later"] = of_file
    content["devices"][0]["later"] = of_device
    document = parse(json.dumps(content).encode()).put(record(alias="x", state=DeviceState.PAIRED)).advanced()
    document = document.put(record()).settle(record(alias="y", state=DeviceState.PAIRED))
    again = json.loads(dump(document))
    assert (again["later"], again["devices"][0]["later"]) == (of_file, of_device)
    assert len(again["devices"]) == 1


def test_a_newer_store_is_neither_used_nor_touched(folder: Path, store: TrustStore) -> None:
    paired(store)
    path = folder / "trust.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    content = path.read_bytes()
    for attempt in (store.devices, lambda: store.forget(record().device_id)):
        with pytest.raises(StateError, match="newer localpair") as caught:
            attempt()
        assert caught.value.hint is not None
    assert path.read_bytes() == content
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]


# -- Secrets -------------------------------------------------------------------------------------------------


def test_no_secret_in_any_representation_or_log(
    folder: Path, store: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    device = paired(store, pair_key=b"\xab\xcd" * 16)
    secret = store.identity()
    if POSIX:
        (folder / "trust.json").chmod(0o666)
    document = parse(
        (folder / "trust.json").read_bytes().replace(b'"alias"', b'"later": "abcdabcd", "alias"')
    )
    TrustStore(folder).devices()
    store.revoke(device.device_id)
    shown = " ".join([repr(device), str(device), repr(document), repr(store), repr(vars(store)), caplog.text])
    for key in (device.pair_key, secret):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown
    assert "abcdabcd" not in shown


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "android", "ios", "freebsd14"])
def test_a_general_name_says_the_kind_and_gives_way_to_every_other(platform: str) -> None:
    general = general_name(platform)
    assert clean_label(general) == general
    assert os.uname().nodename not in general
    assert better_label(general, "kitchen") == better_label("", "kitchen") == "kitchen"
    assert better_label("kitchen", general) == "kitchen"
    assert better_label("bakery", "kitchen") == "bakery"
    assert better_label(general, "") == general
