"""Parts that outlive their session: what they are called, who finds them, and which have to go."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path

import pytest

import localpair.transfer.folder.parts
from file_trees import kept_in
from localpair.limits import KEPT_BYTES, KEPT_LEAST_BYTES, KEPT_PARTS, KEPT_S
from localpair.transfer.folder.inbox import Inbox
from localpair.transfer.folder.kept import KeptPart, is_kept_name, kept_name, overdue, sender_mark
from localpair.wire.filekey import PATH_BYTES, FileKey, Kept

DATA = bytes(range(256)) * (KEPT_LEAST_BYTES // 256)
SIZE = 3 * KEPT_LEAST_BYTES
KEY = FileKey.of(("d", "film"), SIZE, 7)
NOW = 1_800_000_000.0


def leave(
    folder: Path, key: FileKey = KEY, sender: str = "a", data: bytes = DATA, shown: str = "film"
) -> Path:
    """What a session leaves there; its path."""
    inbox = Inbox(folder, sender)
    part = inbox.part(key, shown)
    part.write(data)
    part.let_go()
    inbox.close()
    return folder / part.name


def kept(folder: Path, sender: str = "a") -> tuple[Kept, ...]:
    inbox = Inbox(folder, sender)
    inbox.close()
    return inbox.kept


def test_a_part_is_found_by_the_same_sender_for_the_same_file(tmp_path: Path) -> None:
    path = leave(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name.startswith(".localpair-")
    inbox = Inbox(tmp_path, "a")
    assert inbox.kept == (Kept(KEY, len(DATA)),)
    part = inbox.found(KEY)
    assert part is not None
    assert b"".join(part.blocks()) == DATA
    part.write(b"and more")
    part.flush(7)
    assert inbox.place(part, ("film",)).read_bytes() == DATA + b"and more"
    part.let_go()
    inbox.close()
    assert [one.name for one in tmp_path.iterdir()] == ["film"]


def test_a_part_of_another_device_is_never_found(tmp_path: Path) -> None:
    leave(tmp_path)
    inbox = Inbox(tmp_path, "b")
    assert inbox.kept == ()
    assert inbox.found(KEY) is None
    part = inbox.part(KEY, "film")
    assert part.size == 0
    assert part.name != kept_in(tmp_path)[0].name or len(kept_in(tmp_path)) == 2
    part.discard()
    inbox.close()
    assert kept(tmp_path) == (Kept(KEY, len(DATA)),)


@pytest.mark.parametrize(
    "other",
    [
        FileKey.of(("d", "film"), SIZE + 1, 7),
        FileKey.of(("d", "film"), SIZE, 8),
        FileKey.of(("d", "film2"), SIZE, 7),
        FileKey.of(("dfilm",), SIZE, 7),
    ],
)
def test_another_version_or_path_is_another_part(tmp_path: Path, other: FileKey) -> None:
    leave(tmp_path)
    inbox = Inbox(tmp_path, "a")
    assert inbox.found(other) is None
    inbox.close()


def test_a_new_version_removes_the_part_of_the_old_one(tmp_path: Path) -> None:
    leave(tmp_path)
    leave(tmp_path, FileKey.of(("d", "film"), SIZE, 8))
    assert [part.key.mtime_ns for part in kept_in(tmp_path)] == [8]


def test_a_part_that_is_begun_anew_is_empty(tmp_path: Path) -> None:
    leave(tmp_path)
    inbox = Inbox(tmp_path, "a")
    part = inbox.part(KEY, "film")
    assert os.fstat(part.fd).st_size == part.size == 0
    part.discard()
    inbox.close()
    assert list(tmp_path.iterdir()) == []


def test_a_short_part_is_not_kept_and_a_long_one_not_believed(tmp_path: Path) -> None:
    leave(tmp_path, data=DATA[:-1])
    assert list(tmp_path.iterdir()) == []
    leave(tmp_path, FileKey.of(("f",), len(DATA) - 1, 7))
    assert kept(tmp_path) == ()


def test_a_part_under_way_is_taken_and_removed_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path)
    first, second = Inbox(tmp_path, "a"), Inbox(tmp_path, "a")
    mine = first.found(KEY)
    assert mine is not None
    assert second.found(KEY) is None
    other = second.part(KEY, "film")
    assert other.name != mine.name
    assert os.fstat(mine.fd).st_size == len(DATA)
    other.let_go()
    monkeypatch.setattr(
        "localpair.transfer.folder.inbox.time.time", lambda: time.time_ns() / 1e9 + 2 * KEPT_S
    )
    third = Inbox(tmp_path, "a")
    assert third.removed == []
    mine.let_go()
    for inbox in (first, second, third):
        inbox.close()
    assert len(kept_in(tmp_path)) == 1


@pytest.mark.parametrize("trap", ["link", "second name", "folder", "pipe"])
def test_what_is_not_a_file_of_ours_alone_is_left_alone(tmp_path: Path, trap: str) -> None:
    name, victim = kept_name(sender_mark("a"), KEY, "film"), tmp_path / "victim"
    victim.write_bytes(DATA)
    if trap == "link":
        (tmp_path / name).symlink_to(victim)
    elif trap == "second name":
        (tmp_path / name).hardlink_to(victim)
    elif trap == "folder":
        (tmp_path / name).mkdir()
    else:
        os.mkfifo(tmp_path / name)
    inbox = Inbox(tmp_path, "a")
    assert inbox.found(KEY) is None
    part = inbox.part(KEY, "film")
    assert part.name != name
    part.write(b"new")
    part.discard()
    inbox.close()
    assert victim.read_bytes() == DATA


def test_where_there_are_no_locks_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    leave(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_others_cannot_read_a_part_whose_process_died_as_it_was_named(tmp_path: Path) -> None:
    path = leave(tmp_path)
    path.chmod(0o644)
    inbox = Inbox(tmp_path, "a")
    part = inbox.found(KEY)
    assert part is not None
    assert stat.S_IMODE(path.stat().st_mode) == localpair.transfer.folder.parts.PART_MODE
    part.let_go()
    inbox.close()


def test_a_whole_part_is_as_young_as_its_last_change_whatever_its_file_says(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, "a")
    part = inbox.part(KEY, "film")
    part.write(DATA * 3)
    part.flush(7)
    part.let_go()
    inbox.close()
    assert kept(tmp_path) == (Kept(KEY, SIZE),)


def test_old_parts_of_any_device_go_and_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, sender="b")
    later = time.time() + KEPT_S + 5
    monkeypatch.setattr("localpair.transfer.folder.inbox.time.time", lambda: later)
    inbox = Inbox(tmp_path, "a")
    assert [(part.shown, part.bytes) for part in inbox.removed] == [("film", len(DATA))]
    inbox.close()
    assert list(tmp_path.iterdir()) == []


def part_of(size: int, changed: float) -> KeptPart:
    return KeptPart("name", "a", KEY, "film", size, changed)


def test_too_many_and_too_large_ones_go_the_oldest_first() -> None:
    many = [part_of(1, NOW - number) for number in range(KEPT_PARTS + 2)]
    assert overdue(many, NOW) == many[KEPT_PARTS:]
    large = [part_of(KEPT_BYTES // 2, NOW), part_of(KEPT_BYTES // 2, NOW - 1), part_of(1, NOW - 2)]
    assert overdue(large, NOW) == large[2:]
    assert overdue([part_of(2 * KEPT_BYTES, NOW)], NOW) == []
    assert overdue([part_of(1, NOW - KEPT_S)], NOW) == []
    old = part_of(1, NOW - KEPT_S - 1)
    assert overdue([large[0], old, large[1]], NOW) == [old], "what goes takes no room"


def test_a_name_says_what_it_is_and_fits_everywhere(tmp_path: Path) -> None:
    key = FileKey(bytes(range(PATH_BYTES)), 2**64 - 1, 2**64 - 1)
    name = kept_name(sender_mark("a"), key, "ä" * 200)
    assert is_kept_name(name)
    assert len(name.encode()) <= 143
    (tmp_path / name).write_bytes(b"x")
    found = kept_in(tmp_path)[0]
    assert (found.sender, found.key, found.bytes) == (sender_mark("a"), key, 1)
    assert set(found.shown) == {"ä"}


@pytest.mark.parametrize(
    "name", ["film", ".localpair-0.part", ".localpair-x-y-1-1-film.kept", "x" + kept_name("a" * 24, KEY, "f")]
)
def test_other_names_are_no_kept_parts(name: str) -> None:
    assert not is_kept_name(name)
