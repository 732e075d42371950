"""What is piped lies in a private folder, which also goes when its process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import localpair.cli.piping.spool
from localpair.cli.piping.spool import private_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
HOLD = """
from localpair.cli.piping.spool import private_folder
with private_folder() as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another run that holds such a folder, made an hour ago."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip()).parent
    hour_ago = time.time() - 3600
    os.utime(folder, (hour_ago, hour_ago))
    yield process
    process.kill()
    process.communicate()


def test_a_folder_whose_process_was_killed_goes_with_the_next_run(
    place: Path, holder: subprocess.Popen[str]
) -> None:
    with private_folder():
        assert len(list(place.iterdir())) == 2, "the other one is in use"
    holder.kill()
    holder.wait()
    (left,) = place.iterdir()
    with private_folder() as folder:
        assert not left.exists()
        assert [path.name for path in folder.parent.iterdir() if path.name != "lock"] == [folder.name]
        assert folder.stat().st_mode & 0o77 == folder.parent.stat().st_mode & 0o77 == 0
    assert list(place.iterdir()) == []


def test_what_was_just_made_or_is_no_folder_of_ours_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    young, link, elsewhere = (
        place / "localpair-piped-new", place / "localpair-piped-link", place / "elsewhere"
    )  # fmt: skip
    for folder in (young, elsewhere):
        folder.mkdir()
        (folder / "lock").touch()
    link.symlink_to(elsewhere)
    os.utime(link, (0, 0), follow_symlinks=False)
    with private_folder():
        assert {young, link, elsewhere} <= set(place.iterdir())
        assert (elsewhere / "lock").exists()
    os.utime(young, (0, 0))
    monkeypatch.setattr(localpair.cli.piping.spool.os, "geteuid", lambda: os.getuid() + 1)
    with private_folder():
        assert young.exists()
