"""The folder that receives and the paths that are sent: nothing leads outside, nothing is overwritten or half there."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from localpair.choices.selection import EVERYTHING, Links, Selection
from localpair.errors import LocalError
from localpair.limits import PATH_DEPTH
from localpair.protocol.transfer.filenames import PART_PREFIX
from localpair.transfer.folder import directory_handle as folders
from localpair.transfer.folder import parts, placing
from localpair.transfer.folder.directory_handle import _HandleFolder, _PathFolder
from localpair.transfer.folder.inbox import Inbox, is_disk_full
from localpair.transfer.preview import preview_files
from localpair.transfer.walk import LeftOut, SourceEntry, count, offered, top_sources, walk
from localpair.wire.payload import Kind

MTIME_NS = 1_600_000_000_123_456_789


@pytest.fixture(params=[_HandleFolder, _PathFolder], ids=["handles", "paths"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """An inbox on both ways of using a folder; the second is what Windows gets."""
    monkeypatch.setattr("localpair.transfer.folder.inbox.open_folder", request.param)
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


# --- ways to give a file its name


def refuse(error: int) -> placing.Way:
    def way(part: placing.Spot, target: placing.Spot, where: str) -> None:
        raise OSError(error, os.strerror(error))

    return way


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM, errno.EXDEV, errno.EINVAL, errno.ENOSYS, 524])
@pytest.mark.parametrize("way", placing.WAYS, ids=lambda way: way.__name__)
def test_one_way_suffices_whatever_the_others_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: placing.Way, error: int
) -> None:
    monkeypatch.setattr(placing, "WAYS", (refuse(error), way, refuse(error)))
    inbox = Inbox(tmp_path)
    (tmp_path / "f").write_text("old")
    assert receive(inbox, "f") == tmp_path / "f (1)"
    assert receive(inbox, "f", folder=("d",)) == tmp_path / "d" / "f"
    assert names(tmp_path) == ["d", "f", "f (1)"]
    assert names(tmp_path / "d") == ["f"]
    assert (tmp_path / "f").read_text() == "old"
    assert {path.read_bytes() for path in (tmp_path / "f (1)", tmp_path / "d" / "f")} == {b"new"}
    inbox.close()


def test_where_no_way_is_left_the_last_refusal_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "WAYS", (refuse(errno.EINVAL), refuse(errno.EACCES)))
    inbox = Inbox(tmp_path)
    with pytest.raises(PermissionError):
        receive(inbox, "f")
    inbox.close()


def test_the_way_that_worked_is_tried_first_from_then_on(tmp_path: Path) -> None:
    tried: list[str] = []

    def first(*_: object) -> None:
        tried.append("first")
        raise OSError(errno.EINVAL, "no")

    placer = placing.Placer((first, placing.link))
    for name in "abc":
        (tmp_path / "part").write_text(name)
        placer.place(
            placing.Spot(None, str(tmp_path / "part")), placing.Spot(None, str(tmp_path / name)), name
        )
        (tmp_path / "part").unlink()
    assert tried == ["first"]
    assert [(tmp_path / name).read_text() for name in "abc"] == ["a", "b", "c"]


def test_a_part_that_is_gone_is_tried_in_one_way_only(tmp_path: Path) -> None:
    """A session that was ended removes it while a thread is about to place it; no claim may stand then for a moment."""
    tried: list[str] = []
    with pytest.raises(FileNotFoundError):
        placing.Placer((placing.link, lambda *_: tried.append("next"))).place(
            placing.Spot(None, str(tmp_path / "part")), placing.Spot(None, str(tmp_path / "name")), "name"
        )
    assert (tried, names(tmp_path)) == ([], [])


def test_a_python_without_links_receives_by_descriptors_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That for Android has no ``os.link``."""
    monkeypatch.delattr(os, "link")
    monkeypatch.setattr(placing, "_exclusive_rename", lambda: None)
    assert isinstance(folders.open_folder(tmp_path), _HandleFolder)
    inbox = Inbox(tmp_path)
    assert receive(inbox, "f").read_bytes() == b"new"
    assert names(tmp_path) == ["f"]
    inbox.close()


def test_a_claim_that_cannot_be_kept_leaves_the_name_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "WAYS", (placing.claim,))
    inbox = Inbox(tmp_path)
    part = inbox.part()
    part.write(b"new")
    (tmp_path / part.name).unlink()
    with pytest.raises(FileNotFoundError):
        inbox.place(part, ("f",))
    part.discard()
    assert names(tmp_path) == []
    inbox.close()


def test_a_sweep_lifts_the_claims_of_the_dead_and_touches_no_file_of_a_person(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number, (name, data) in enumerate([("claimed", ""), ("written", "mine"), ("d/claimed", "")]):
        part = tmp_path / part_called(number)
        part.write_text("bytes")
        (tmp_path / placing.note_of(part.name)).write_text(name)
        (tmp_path / name).write_text(data)
    older = tmp_path / "older"
    older.touch()
    os.utime(older, (1000, 1000))
    (tmp_path / part_called(7)).touch()
    (tmp_path / placing.note_of(part_called(7))).write_text("older")
    (tmp_path / placing.note_of(part_called(8))).write_text("whole")  # its part has got its name
    (tmp_path / "whole").touch()
    (tmp_path / placing.note_of(part_called(9))).write_text("../outside")
    Inbox(tmp_path).close()
    assert names(tmp_path / "d") == []
    assert set(names(tmp_path)) == {
        "d",
        "older",
        "whole",
        "written",
        placing.note_of(part_called(9)),
    }


def test_a_file_that_is_numbered_anew_is_known_by_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    inbox = Inbox(tmp_path)
    assert receive(inbox, "f", b"new" * 1_000_000).stat().st_size == 3_000_000
    inbox.close()


# --- what a target cannot do or does not know


def test_a_folder_that_cannot_be_flushed_loses_nothing_and_is_remembered(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []

    def sync(parts: tuple[str, ...]) -> None:
        flushed.append(parts)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(inbox._folder, "sync", sync)
    assert receive(inbox, "f", folder=("d",)).read_bytes() == b"new"
    assert set(flushed) == {(), ("d",)}
    assert inbox.doubt == "Input/output error"


@pytest.mark.parametrize(
    ("error", "lost"),
    [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True), (errno.ENOSPC, True)],
)
def test_contents_that_cannot_be_flushed_are_lost_where_flushing_failed_and_not_where_there_is_none(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, error: int, lost: bool
) -> None:
    real = os.fsync

    def fsync(fd: int) -> None:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(error, os.strerror(error))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    if lost:
        with pytest.raises(OSError, match=os.strerror(error)):
            receive(inbox, "f")
        return
    assert receive(inbox, "f").read_bytes() == b"new"
    assert inbox.doubt == os.strerror(error)


def test_a_file_system_that_tells_of_no_blocks_may_have_room(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for usage, room in (((0, 0, 0), None), ((100, 100, 0), 0), ((100, 50, 50), 50)):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _, usage=usage: SimpleNamespace(total=usage[0], free=usage[2])
        )
        assert inbox.room() == room

    def refuse_to_tell(_: object) -> None:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(shutil, "disk_usage", refuse_to_tell)
    assert inbox.room() is None


# --- part files of killed processes


def part_called(number: int, kernel: str | None = None) -> str:
    """The name of a part file of this kernel, or of another one."""
    return f"{PART_PREFIX}{parts._kernel() if kernel is None else kernel}{number:016x}.part"


def test_parts_that_nobody_holds_are_swept_and_no_others(tmp_path: Path) -> None:
    stale, held = tmp_path / part_called(1), tmp_path / part_called(2)
    others = [".localpair-config", ".localpair-1.part", "x.part", part_called(3) + "x"]
    for name in (stale.name, held.name, *others):
        (tmp_path / name).write_text("")
    (tmp_path / part_called(4)).mkdir()
    (tmp_path / part_called(5)).symlink_to(tmp_path / "x.part")
    with held.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Inbox(tmp_path).close()
        assert set(names(tmp_path)) == {held.name, part_called(4), part_called(5), *others}
    Inbox(tmp_path).close()
    assert not held.exists()


def test_another_machines_part_is_swept_by_age_alone(tmp_path: Path) -> None:
    """On a shared folder its lock may not be seen here."""
    young, old = tmp_path / part_called(1, "0" * 8), tmp_path / part_called(2, "0" * 8)
    for path in (young, old):
        path.write_text("")
    os.utime(old, (0, 0))
    Inbox(tmp_path).close()
    assert names(tmp_path) == [young.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_part_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / part_called(1)
    path.write_text("")
    os.utime(path, (0, 0))
    try:
        os.chown(path, 12345, -1)
    except OSError:
        pytest.skip("there is no other user here to give a file to")
    Inbox(tmp_path).close()
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_nobody_else_reads_a_part_and_a_whole_file_has_the_mode_of_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int, mode: int
) -> None:
    for open_it in (_HandleFolder, _PathFolder):
        monkeypatch.setattr("localpair.transfer.folder.inbox.open_folder", open_it)
        before = os.umask(mask)
        try:
            inbox = Inbox(tmp_path)
            part = inbox.part()
            part.write(b"half")
            assert stat.S_IMODE((tmp_path / part.name).stat().st_mode) == 0o600
            part.flush(MTIME_NS)
            path = inbox.place(part, ("f",))
            part.discard()
            inbox.close()
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_an_access_list_that_the_folder_hands_down_holds_for_what_arrives(tmp_path: Path) -> None:
    entries = [
        (1, 6, -1),
        (2, 6, 12345),
        (4, 4, -1),
        (16, 6, -1),
        (32, 0, -1),
    ]  # owner, user, group, mask, others
    packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", struct.pack("<I", 2) + packed)
    except OSError as error:
        pytest.skip(f"this file system has no access lists: {error}")
    inbox = Inbox(tmp_path)
    path = receive(inbox, "f")
    (tmp_path / "made").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o660
    lists = [os.getxattr(tmp_path / name, "system.posix_acl_access") for name in ("f", "made")]
    assert lists[0] == lists[1]
    inbox.close()


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
    real_hold, swept = parts.hold, []

    def hold(fd: int) -> bool | None:
        if not swept:
            [name] = names(tmp_path)
            swept.append(name)
            (tmp_path / name).unlink()
        return real_hold(fd)

    monkeypatch.setattr(folders, "hold", hold)
    part = inbox.part()
    assert part.name != swept[0]
    assert names(tmp_path) == [part.name]
    part.discard()
    inbox.close()


def test_without_locks_only_age_makes_a_part_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "hold", lambda fd: None)
    young, old = tmp_path / part_called(1), tmp_path / part_called(2)
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


def walked(*paths: Path, selection: Selection = EVERYTHING) -> tuple[dict[str, SourceEntry], list[Path]]:
    found = list(walk(top_sources(paths), selection))
    sources = {"/".join(one.parts): one for one in found if isinstance(one, SourceEntry)}
    return sources, [one.path for one in found if isinstance(one, LeftOut)]


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


def test_links_are_followed_where_that_is_said_and_never_round_in_circles(tmp_path: Path) -> None:
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "deep" / "secret").write_text("s")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "d")
    (tmp_path / "d" / "in").mkdir(parents=True)
    (tmp_path / "d" / "file").symlink_to(tmp_path / "outside" / "deep" / "secret")
    (tmp_path / "d" / "in" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "d" / "in" / "nowhere").symlink_to("missing")
    (tmp_path / "d" / "in" / "twice").symlink_to(tmp_path / "outside" / "deep")
    (tmp_path / "d" / "in" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "d" / "pipe").symlink_to(tmp_path / "pipe")
    sources, left_out = walked(tmp_path / "d", selection=Selection(links=Links.FOLLOW))
    assert list(sources) == [
        "d", "d/file", "d/in", "d/in/folder", "d/in/folder/deep", "d/in/folder/deep/secret", "d/in/twice",
        "d/in/twice/secret",
    ]  # fmt: skip
    assert sources["d/file"].kind is Kind.FILE
    assert [path.name for path in left_out] == ["back", "nowhere", "up", "pipe"]


def test_what_is_excluded_is_left_out_with_all_that_is_in_it(tmp_path: Path) -> None:
    for name in ("d/cache/x", "d/keep/cache", "d/keep/a.tmp", "b.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    tops, selection = [tmp_path / "d", tmp_path / "b.tmp"], Selection(("cache/", "*.tmp"))
    sources, left_out = walked(*tops, selection=selection)
    assert list(sources) == ["d", "d/keep", "d/keep/cache"]
    assert [path.name for path in left_out] == ["cache", "a.tmp", "b.tmp"]
    assert offered(top_sources(tops), selection) == ["d"]
    assert list(count(top_sources(tops), selection))[-1] == (1, 1)


def test_a_preview_shows_what_sending_comes_across(tmp_path: Path) -> None:
    for name in ("d/A", "d/a", "d/nul.txt", "d/x.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("123")
    os.mkfifo(tmp_path / "d/pipe")
    (tmp_path / "d/cache").mkdir()
    shown = list(preview_files([tmp_path / "d"], Selection(("*.tmp", "cache/"))))
    assert [one.path.name for one in shown if one.is_folder] == ["d", "cache"]
    assert [(one.path.name, one.action, one.bytes, one.name, one.renamed, one.reason) for one in shown] == [
        ("d", "send", 0, "d", False, ""),
        ("A", "send", 3, "d/A", False, ""),
        ("a", "send", 3, "d/a (1)", True, ""),
        ("cache", "skip", 0, "", False, "excluded"),
        ("nul.txt", "send", 3, "d/_nul.txt", True, ""),
        ("pipe", "skip", 0, "", False, "special"),
        ("x.tmp", "skip", 0, "", False, "excluded"),
    ]


def test_special_files_inside_are_left_out_and_given_ones_our_own_error(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / "pipe")
    sources, left_out = walked(tmp_path / "d")
    assert list(sources) == ["d"]
    assert left_out == [tmp_path / "d" / "pipe"]
    with pytest.raises(LocalError, match="pipe"):
        top_sources([tmp_path / "d" / "pipe"])


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
    found = [one for one in walk(top_sources([tmp_path / "d"])) if isinstance(one, SourceEntry)]
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
    assert stat.S_IMODE(status.st_mode) == 0o600
    part.discard()
    inbox.close()
