"""The folder that receives and the paths that are sent: nothing leads outside, nothing is overwritten or half there."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localpair.errors import LocalError
from localpair.limits import PATH_DEPTH
from localpair.protocol.filenames import PART_PREFIX
from localpair.transfer import directory_handle
from localpair.transfer.directory_handle import _HandleFolder, _PathFolder
from localpair.transfer.inbox import Inbox, is_disk_full
from localpair.transfer.walk import Skipped, Source, count, top_sources, walk
from localpair.wire.payload import Kind

MTIME_NS = 1_600_000_000_123_456_789


@pytest.fixture(params=[_HandleFolder, _PathFolder], ids=["handles", "paths"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """An inbox on both ways of using a folder; the second is what Windows gets."""
    monkeypatch.setattr("localpair.transfer.inbox.open_folder", request.param)
    target = tmp_path / "target"
    target.mkdir()
    made = Inbox(target)
    yield made
    made.close()


def receive(inbox: Inbox, name: str, data: bytes = b"new", *, folder: tuple[str, ...] = ()) -> Path:
    part = inbox.part()
    part.write(data)
    part.flush(MTIME_NS)
    path = inbox.place(part, (*folder, name))
    part.discard()
    inbox.sync()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- receiving


def test_a_file_stands_whole_under_its_name_with_its_date(inbox: Inbox) -> None:
    path = receive(inbox, "a.txt", b"hello")
    assert path == inbox.path / "a.txt"
    assert path.read_bytes() == b"hello"
    assert abs(path.stat().st_mtime_ns - MTIME_NS) < 1000
    assert names(inbox.path) == ["a.txt"]


def test_until_it_is_placed_there_is_only_a_hidden_part(inbox: Inbox) -> None:
    part = inbox.part()
    part.write(b"half")
    [name] = names(inbox.path)
    assert name.startswith(PART_PREFIX)
    assert name.endswith(".part")
    part.discard()
    assert names(inbox.path) == []


def test_nothing_is_overwritten(inbox: Inbox) -> None:
    (inbox.path / "a.txt").write_text("old")
    (inbox.path / "a (1).txt").mkdir()
    (inbox.path / "a (2).txt").symlink_to("/nowhere")
    assert receive(inbox, "a.txt").name == "a (3).txt"
    assert (inbox.path / "a.txt").read_text() == "old"


def test_no_file_is_executable(inbox: Inbox) -> None:
    assert not receive(inbox, "run.sh").stat().st_mode & 0o7111


def test_a_folder_that_stood_there_gets_a_neighbour(inbox: Inbox) -> None:
    (inbox.path / ".ssh").mkdir()
    path = receive(inbox, "authorized_keys", folder=(".ssh",))
    assert path == inbox.path / ".ssh (1)" / "authorized_keys"
    assert names(inbox.path / ".ssh") == []


def test_folders_of_a_batch_keep_their_files_together(inbox: Inbox) -> None:
    made = inbox.make(("d", "e"))
    path = receive(inbox, "f", folder=("d", "e"))
    assert path == made / "f" == inbox.path / "d" / "e" / "f"
    assert inbox.make(("d", "e")) == made


def test_a_folder_replaced_by_a_link_leads_nowhere(inbox: Inbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inbox.make(("d",))
    part = inbox.part()
    part.write(b"data")
    (inbox.path / "d").rmdir()
    (inbox.path / "d").symlink_to(outside)
    with pytest.raises(OSError, match=r"."):
        inbox.place(part, ("d", "f"))
    part.discard()
    assert names(outside) == []
    assert names(inbox.path) == ["d"]


def test_a_link_in_place_of_the_final_name_is_not_written_through(inbox: Inbox, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (inbox.path / "f").symlink_to(precious)
    assert receive(inbox, "f").name == "f (1)"
    assert precious.read_text() == "mine"


def test_a_replaced_part_file_is_noticed(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    part = inbox.part()
    part.write(b"true")
    (tmp_path / part.name).unlink()
    (tmp_path / part.name).symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="replaced"):
        inbox.place(part, ("f",))
    part.discard()
    assert names(tmp_path) == []
    inbox.close()


def test_the_target_itself_may_be_a_link_and_be_moved(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    inbox = Inbox(tmp_path / "link")
    real.rename(tmp_path / "moved")
    receive(inbox, "f")
    assert names(tmp_path / "moved") == ["f"]
    inbox.close()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_target_that_is_no_folder_is_our_own_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError) as caught:
        Inbox(tmp_path / name)
    assert caught.value.hint


def without_links(error: int) -> Callable[..., None]:
    def link(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return link


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links_still_receives_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    inbox = Inbox(tmp_path)
    monkeypatch.setattr(directory_handle.os, "link", without_links(error))
    (tmp_path / "f").write_text("old")
    assert receive(inbox, "f") == tmp_path / "f (1)"
    assert names(tmp_path) == ["f", "f (1)"]
    inbox.close()


# --- part files of killed processes


def test_parts_that_nobody_holds_are_swept_and_no_others(tmp_path: Path) -> None:
    stale, held = tmp_path / ".localpair-1.part", tmp_path / ".localpair-2.part"
    for path in (stale, held, tmp_path / ".localpair-config", tmp_path / "x.part"):
        path.write_text("")
    (tmp_path / ".localpair-3.part").mkdir()
    (tmp_path / ".localpair-4.part").symlink_to(tmp_path / "x.part")
    with held.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Inbox(tmp_path).close()
        left = {".localpair-2.part", ".localpair-3.part", ".localpair-4.part", ".localpair-config", "x.part"}
        assert set(names(tmp_path)) == left
    Inbox(tmp_path).close()
    assert not held.exists()


def test_two_receivers_in_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    first = Inbox(tmp_path)
    part = first.part()
    part.write(b"mine")
    second = Inbox(tmp_path)
    assert first.place(part, ("f",)).read_bytes() == b"mine"
    for each in (first, second):
        each.close()


def test_a_part_that_a_sweep_took_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path)
    real_hold, swept = directory_handle._hold, []

    def hold(fd: int) -> bool | None:
        if not swept:
            [name] = names(tmp_path)
            swept.append(name)
            (tmp_path / name).unlink()
        return real_hold(fd)

    monkeypatch.setattr(directory_handle, "_hold", hold)
    part = inbox.part()
    assert part.name != swept[0]
    assert names(tmp_path) == [part.name]
    part.discard()
    inbox.close()


def test_without_locks_only_age_makes_a_part_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_handle, "_hold", lambda fd: None)
    young, old = tmp_path / ".localpair-1.part", tmp_path / ".localpair-2.part"
    for path in (young, old):
        path.write_text("")
    os.utime(old, (0, 0))
    Inbox(tmp_path).close()
    assert names(tmp_path) == [young.name]


def test_a_full_disk_is_told_from_other_faults() -> None:
    assert is_disk_full(OSError(errno.ENOSPC, "full"))
    assert is_disk_full(OSError(errno.EDQUOT, "quota"))
    assert not is_disk_full(OSError(errno.EACCES, "no"))


# --- sending


def walked(*paths: Path) -> tuple[dict[str, Source], list[Path]]:
    found = list(walk(top_sources(paths)))
    sources = {"/".join(one.parts): one for one in found if isinstance(one, Source)}
    return sources, [one.path for one in found if isinstance(one, Skipped)]


def test_folders_come_before_what_is_in_them_and_empty_ones_come_too(tmp_path: Path) -> None:
    (tmp_path / "d" / "empty").mkdir(parents=True)
    (tmp_path / "d" / "a").write_text("1")
    sources, _ = walked(tmp_path / "d")
    assert list(sources) == ["d", "d/a", "d/empty"]
    assert [source.kind for source in sources.values()] == [Kind.FOLDER, Kind.FILE, Kind.FOLDER]


def test_links_inside_are_skipped_and_given_ones_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "d" / "loop").symlink_to(tmp_path / "d")
    (tmp_path / "given").symlink_to(tmp_path / "secret")
    sources, skipped = walked(tmp_path / "d", tmp_path / "given")
    assert list(sources) == ["d", "given"]
    assert sources["given"].kind is Kind.FILE
    assert [path.name for path in skipped] == ["link", "loop"]


def test_special_files_are_listed_as_missing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / "pipe")
    sources, _ = walked(tmp_path / "d")
    assert sources["d/pipe"].kind is Kind.MISSING
    assert "pipe" in sources["d/pipe"].reason


def test_a_path_that_does_not_exist_is_our_own_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError):
        top_sources([tmp_path / "missing"])
    (tmp_path / "dangling").symlink_to("/nowhere")
    with pytest.raises(LocalError):
        top_sources([tmp_path / "dangling"])


def test_given_paths_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(folder)
    found = top_sources([tmp_path / folder / "x.txt" for folder in "abc"])
    assert [name for _, name in found] == ["x.txt", "x (1).txt", "x (2).txt"]


def test_a_dot_has_the_name_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [name for _, name in top_sources([Path()])] == [tmp_path.name]


def test_names_that_are_no_text_can_be_sent(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/d")  # noqa: PTH102 - a name of bytes
    with open(os.fsencode(tmp_path) + b"/d/caf\xe9", "wb"):  # noqa: PTH123 - the same
        pass
    sources, _ = walked(tmp_path / "d")
    assert list(sources) == ["d", "d/caf\ufffd"]


def test_folders_too_deep_are_listed_and_end_the_walk(tmp_path: Path) -> None:
    deep = tmp_path / "d"
    for _ in range(70):
        deep /= "d"
    deep.mkdir(parents=True)
    sources, _ = walked(tmp_path / "d")
    assert max(len(source.parts) for source in sources.values()) == PATH_DEPTH
    assert [source.kind for source in sources.values()].count(Kind.MISSING) == 1


def test_an_unreadable_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d" / "closed").mkdir(parents=True)
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr("localpair.transfer.walk.os.scandir", scandir)
    found = [one for one in walk(top_sources([tmp_path / "d"])) if isinstance(one, Source)]
    assert [(one.kind, one.reason) for one in found if one.path.name == "closed"] == [
        (Kind.FOLDER, ""),
        (Kind.MISSING, "Permission denied"),
    ]


def test_counting_finds_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(5):
        (tmp_path / "d" / str(number)).write_bytes(bytes(number))
    assert list(count(top_sources([tmp_path / "d"])))[-1] == (5, 10)


def test_parts_are_regular_files_of_their_owner(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    part = inbox.part()
    status = (tmp_path / part.name).lstat()
    assert stat.S_ISREG(status.st_mode)
    assert not status.st_mode & 0o133
    part.discard()
    inbox.close()
