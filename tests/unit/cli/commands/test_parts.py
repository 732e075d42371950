"""``localpair devices parts``: what is listed, and what is removed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from cli_fakes import Api
from cli_typing import _json
from localpair.cli import main
from localpair.limits import KEPT_LEAST_BYTES, KEPT_S, RECEIVING_FOLDERS
from localpair.transfer.folder.inbox import Inbox
from localpair.trust.store import DeviceRecord, TrustStore
from localpair.wire.filekey import FileKey

SIZE = 3 * KEPT_LEAST_BYTES


def leave(folder: Path, device_id: str, name: str) -> Inbox:
    """A part in ``folder`` that this device has sent; the inbox stays open."""
    folder.mkdir(exist_ok=True)
    inbox = Inbox(folder, device_id)
    part = inbox.part(FileKey.of((name,), SIZE, 7), name)
    part.write(bytes(KEPT_LEAST_BYTES))
    part.let_go()
    return inbox


@pytest.fixture
def folders(api: Api, paired: DeviceRecord, tmp_path: Path) -> list[Path]:
    """Two folders that were received into: a film of the paired device in one, a song of a stranger in the other."""
    made = [tmp_path / "films", tmp_path / "songs"]
    leave(made[0], paired.device_id, "film.mkv").close()
    leave(made[1], "somebody else", "song.ogg").close()
    for folder in made:
        TrustStore(api.home).note_folder(folder)
    return made


def test_parts_are_listed_with_their_sender(
    api: Api, paired: DeviceRecord, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "parts", "--json"], api) == 0
    song, film, _ = _json(capsys)
    assert (song["name"], song["device_id"], song["folder"]) == ("song.ogg", "", str(folders[1]))
    assert (film["name"], film["device_id"], film["state"]) == ("film.mkv", paired.device_id, "kept")
    assert (film["bytes"], film["size"]) == (KEPT_LEAST_BYTES, SIZE)
    assert main(["devices", "parts"], api) == 0
    shown = capsys.readouterr().out
    assert "film.mkv" in shown
    assert "1.0 MB of 3.1 MB" in shown
    assert all(any(folder.iterdir()) for folder in folders)


def test_only_those_of_the_device_are_removed(
    api: Api, paired: DeviceRecord, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "parts", paired.device_id, "--remove"], api) == 0
    said = capsys.readouterr()
    assert "removed" in said.out
    assert "Removed 1 part, 1.0 MB." in said.err
    assert [len(list(folder.iterdir())) for folder in folders] == [0, 1]
    assert main(["devices", "parts", "--remove"], api) == 0
    assert [len(list(folder.iterdir())) for folder in folders] == [0, 0]
    capsys.readouterr()
    assert main(["devices", "parts"], api) == 0
    assert "No file is waiting for its rest." in capsys.readouterr().err


def test_a_part_that_a_transfer_writes_to_stays(
    api: Api, paired: DeviceRecord, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = Inbox(folders[0], paired.device_id)
    part = inbox.found(FileKey.of(("film.mkv",), SIZE, 7))
    assert part is not None
    assert main(["devices", "parts", paired.device_id, "--remove", "--json"], api) == 0
    assert _json(capsys)[0]["state"] == "in use"
    assert (folders[0] / part.name).exists()
    part.let_go()
    inbox.close()


def test_old_parts_go_when_they_are_listed(
    api: Api, folders: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + KEPT_S + 60
    monkeypatch.setattr("localpair.transfer.folder.housekeeping.time.time", lambda: later)
    assert main(["devices", "parts", "--json"], api) == 0
    assert [line["state"] for line in _json(capsys)[:2]] == ["removed", "removed"]
    assert [len(list(folder.iterdir())) for folder in folders] == [0, 0]


def test_a_folder_that_is_gone_and_a_list_that_is_broken_hold_up_nobody(
    api: Api, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folders[0].iterdir():
        path.unlink()
    folders[0].rmdir()
    assert main(["devices", "parts", "--json"], api) == 0
    assert [line["event"] for line in _json(capsys)] == ["part", "done"]
    for broken in ("{", '{"a": 1}', "[1, null]", "[" * 100_000):
        (api.home / "folders.json").write_text(broken)
        assert main(["devices", "parts", "--json"], api) == 0
        assert [line["event"] for line in _json(capsys)] == ["done"]


def test_the_folders_of_receiving_runs_are_remembered_the_latest_first(api: Api, tmp_path: Path) -> None:
    store = TrustStore(api.home)
    for number in range(RECEIVING_FOLDERS + 2):
        store.note_folder(tmp_path / str(number))
    store.note_folder(tmp_path / "5")
    known = store.folders()
    assert len(known) == RECEIVING_FOLDERS
    assert known[:2] == [tmp_path / "5", tmp_path / str(RECEIVING_FOLDERS + 1)]
    assert (api.home / "folders.json").stat().st_mode & 0o077 == 0
    assert len(json.loads((api.home / "folders.json").read_text())) == RECEIVING_FOLDERS
