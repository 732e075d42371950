"""File systems to receive into, each mounted in a mount namespace of its own: a program that test_targets.py starts.

    unshare --mount python targets.py KIND FOLDER

The tree FOLDER/source is sent into FOLDER/target, which is of that kind, and again with other contents. What came of it
is printed as JSON.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fusefs import FuseFolder, Refusals
from localpair.errors import LocalpairError
from localpair.events import Event, Received
from localpair.session import Session
from streams import run, session_pair

MIB = 1024 * 1024
CHANGE = b"!"  # what each file ends with when it is sent for the second time
FUSE = {
    "phone": Refusals(link=errno.EACCES, rename_flags=errno.EINVAL, chmod=errno.EPERM),
    "virtualbox": Refusals(link=errno.EPERM, rename_flags=errno.EINVAL, sync_folder=errno.EINVAL),
    "smb": Refusals(link=errno.ENOTSUP, sync_folder=errno.EIO, chmod=errno.ENOTSUP, folds_case=True),
    "nfs": Refusals(rename_flags=errno.EINVAL),
    "foreign": Refusals(link=errno.EXDEV, rename_flags=errno.EOPNOTSUPP),
    "no-blocks": Refusals(blocks=False),
    "no-file-flush": Refusals(sync_file=errno.EINVAL, sync_folder=errno.EINVAL),
    "no-link-count": Refusals(links_told=False),
    "renumbering": Refusals(steady=False),
    "short-names": Refusals(name_bytes=143),
}


class MountError(Exception):
    """This machine, or this user, cannot mount it."""


def _mount(*words: object) -> str:
    program = str(words[0])
    if shutil.which(program) is None:
        raise MountError(f"there is no {program}")
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MountError((done.stderr or done.stdout).strip().splitlines()[0])
    return done.stdout.strip()


def _image(folder: Path) -> Path:
    path = folder / "below" / "image"
    with path.open("wb") as file:
        file.truncate(320 * MIB)  # sparse; the least that mkfs.xfs takes
    return path


def tmpfs(folder: Path) -> None:
    """Memory."""
    _mount("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder / "target")


def overlay(folder: Path) -> None:
    """What containers write to."""
    _mount("mount", "-t", "tmpfs", "tmpfs", folder / "below")
    for name in ("lower", "upper", "work"):
        (folder / "below" / name).mkdir()
    below = folder / "below"
    options = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
    _mount("mount", "-t", "overlay", "-o", options, "overlay", folder / "target")


def image(*maker: str, kind: str) -> Callable[[Path], None]:
    """A file system in a file, over a loop device."""

    def make(folder: Path) -> None:
        path = _image(folder)
        _mount(*maker, path)
        _mount("mount", "-t", kind, "-o", "loop", path, folder / "target")

    return make


def exfat_fuse(folder: Path) -> None:
    """exFAT by its FUSE program, where the kernel has none."""
    _mount("mkfs.exfat", _image(folder))
    device = _mount("losetup", "--find", "--show", folder / "below" / "image")
    try:
        _mount("mount.exfat-fuse", device, folder / "target")
    finally:
        _mount("losetup", "--detach", device)  # once it is unmounted


def fat_fuse(folder: Path) -> None:
    """FAT by its FUSE program."""
    _mount("mkfs.vfat", _image(folder))
    _mount("fusefat", "-o", "rw+", folder / "below" / "image", folder / "target")


def fuse(manners: Refusals) -> Callable[[Path], None]:
    """Our own, which refuses what it is told to."""

    def make(folder: Path) -> None:
        try:
            FuseFolder(folder / "below", manners).start(folder / "target")
        except OSError as error:
            raise MountError(str(error)) from error

    return make


KINDS: dict[str, Callable[[Path], None]] = {
    "tmpfs": tmpfs,
    "overlay": overlay,
    "ext4": image("mkfs.ext4", "-q", kind="ext4"),
    "xfs": image("mkfs.xfs", "-q", kind="xfs"),
    "btrfs": image("mkfs.btrfs", "-q", kind="btrfs"),
    "vfat": image("mkfs.vfat", kind="vfat"),
    "exfat": image("mkfs.exfat", kind="exfat"),
    "exfat-fuse": exfat_fuse,
    "vfat-fuse": fat_fuse,
    **{f"fuse-{name}": fuse(manners) for name, manners in FUSE.items()},
}


async def _send(sender: Session, receiver: Session, folder: Path) -> list[str]:
    """What the two sides raised, as text."""
    outcome = await asyncio.gather(
        sender.send_files(sorted((folder / "source").iterdir())),
        receiver.receive_files(folder / "target"),
        return_exceptions=True,
    )
    for error in outcome:
        if isinstance(error, BaseException) and not isinstance(error, LocalpairError):
            raise error
    return [str(error) for error in outcome if isinstance(error, BaseException)]


async def _twice(folder: Path) -> dict[str, object]:
    events: tuple[list[Event], list[Event]] = ([], [])
    one, other = await session_pair(events=events)
    async with one, other:
        errors = [await _send(one, other, folder)]
        for path in (folder / "source").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes() + CHANGE)
        errors.append(await _send(one, other, folder))
    told = {
        str(event.path.relative_to(folder / "target")): event.sha256
        for event in events[1]
        if isinstance(event, Received)
    }
    return {"errors": errors, "told": told}


def _found(target: Path) -> dict[str, object]:
    """Every file, hidden ones too: its checksum."""
    return {
        path.relative_to(target).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in target.rglob("*")
        if path.is_file()
    }


def main(kind: str, folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "target").mkdir()
    try:
        KINDS[kind](folder)
    except MountError as refusal:
        print(json.dumps({"cannot": str(refusal)}))
        return
    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("localpair").addHandler(handler)
    outcome = run(_twice(folder))
    print(json.dumps({**outcome, "found": _found(folder / "target"), "warnings": warnings}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
