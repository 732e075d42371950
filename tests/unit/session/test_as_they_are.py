"""Files as they are: their times, their holes, and who may execute them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

import localpair.transfer.disk
from file_trees import pair, plant, transfer
from localpair.choices.terms import Existing, Terms
from localpair.errors import LocalpairError
from streams import Net, run

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither such bits nor such holes")
MIB = 1 << 20


def _send(source: Path, target: Path, **terms: object) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            await transfer(one, other, [source], target, terms=Terms(**terms))  # type: ignore[arg-type]

    run(main())


def _holey(path: Path) -> Path:
    """64 MiB of which one in the middle, and a few bytes at both ends, are no hole."""
    with path.open("wb") as file:
        file.write(b"begin")
        file.seek(30 * MIB)
        file.write(os.urandom(MIB))
        file.seek(64 * MIB - 3)
        file.write(b"end")
    if path.stat().st_blocks * 512 > 8 * MIB:
        pytest.skip("there are no holes in files here")
    return path


@pytest.mark.parametrize("size", [5, 2 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("ns", [1, -1, -86_400 * 10**9 - 123_456_789, 1_700_000_000_123_456_789])
def test_a_time_is_kept_to_the_nanosecond_also_before_1970(
    ns: int, size: int, source: Path, target: Path
) -> None:
    file = plant(source, {"old": os.urandom(size)})
    os.utime(file, ns=(ns, ns))
    if file.stat().st_mtime_ns != ns:
        pytest.skip("this file system cannot store that time")
    _send(file, target)
    assert (target / "old").stat().st_mtime_ns == ns


@posix
def test_a_file_with_holes_keeps_them(source: Path, target: Path) -> None:
    file = _holey(source / "disk.img")
    _send(file, target)
    stored = target / "disk.img"
    assert stored.read_bytes() == file.read_bytes()
    assert stored.stat().st_blocks * 512 < 8 * MIB


@posix
def test_a_file_with_holes_that_ends_in_one_and_goes_on_after_a_lost_connection(
    source: Path, target: Path
) -> None:
    file = _holey(source / "disk.img")
    os.truncate(file, 100 * MIB)

    async def main() -> None:
        net = Net(cuts=[20 * MIB, 33 * MIB])
        async with pair(net) as (one, other):
            await transfer(one, other, [file], target)
        assert len(net.wires) == 3

    run(main())
    stored = target / "disk.img"
    assert stored.stat().st_size == 100 * MIB
    assert stored.read_bytes() == file.read_bytes()
    assert stored.stat().st_blocks * 512 < 8 * MIB


@posix
def test_only_what_its_bytes_need_has_to_fit(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.disk.Inbox, "room", lambda self: 10 * MIB)
    _send(_holey(source / "disk.img"), target)
    assert (target / "disk.img").stat().st_size == 64 * MIB
    (source / "full.img").write_bytes(os.urandom(11 * MIB))
    with pytest.raises(LocalpairError):
        _send(source / "full.img", target)


@posix
@pytest.mark.parametrize("size", [5, 2 * MIB], ids=["small", "large"])
@pytest.mark.parametrize(
    ("mode", "umask", "modes", "stored"),
    [
        (0o755, 0o022, True, 0o755),
        (0o755, 0o022, False, 0o644),
        (0o644, 0o022, True, 0o644),
        (0o755, 0o077, True, 0o700),
        (0o4711, 0o022, True, 0o755),
        (0o654, 0o022, True, 0o644),
    ],
)
def test_a_file_is_executable_only_where_that_was_allowed(
    mode: int, umask: int, modes: bool, stored: int, size: int, source: Path, target: Path
) -> None:
    file = plant(source, {"run": os.urandom(size)})
    file.chmod(mode)
    before = os.umask(umask)
    try:
        _send(file, target, modes=modes)
    finally:
        os.umask(before)
    assert stat.S_IMODE((target / "run").stat().st_mode) == stored


@posix
def test_what_replaces_a_file_allows_no_more_than_that_one(source: Path, target: Path) -> None:
    file = plant(source, {"run": b"new"})
    file.chmod(0o755)
    (target / "run").write_bytes(b"old")
    (target / "run").chmod(0o640)
    _send(file, target, modes=True, existing=Existing.REPLACE)
    assert (target / "run").read_bytes() == b"new"
    assert stat.S_IMODE((target / "run").stat().st_mode) & 0o017 == 0
