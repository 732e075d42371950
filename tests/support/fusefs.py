"""A FUSE file system that shows a folder and answers as badly as real targets do: for tests, without libfuse.

It speaks the kernel's protocol over /dev/fuse (Linux ``include/uapi/linux/fuse.h``, version 7.31), as far as storing
files needs it. ``Refusals`` says what it refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<IIQQIIIHH")  # len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding
_REPLY = struct.Struct("<IiQ")  # len, error, unique
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_ROOT = 1
_SILENT = frozenset({2, 36, 42})  # forget, interrupt, batch forget: nobody waits for an answer
_READ_BYTES = 1 << 20
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Refusals:
    """What the file system refuses, as errno values; 0 allows it."""

    link: int = 0
    rename_flags: int = 0  # every rename that has a condition
    sync_folder: int = 0
    sync_file: int = 0
    chmod: int = 0
    blocks: bool = True  # whether it tells how much room there is
    links_told: bool = True  # whether it tells how many names a file has
    steady: bool = True  # whether a file keeps its number when it is renamed
    folds_case: bool = False  # whether "A" and "a" are one name
    name_bytes: int = 255


class FuseFolder:
    """Serves ``backing`` under a mount point until the kernel says that it is gone."""

    def __init__(self, backing: Path, refusals: Refusals) -> None:
        self._manners = refusals
        self._paths: dict[int, Path] = {_ROOT: backing}
        self._numbers: dict[Path, int] = {backing: _ROOT}
        self._next = _ROOT + 1
        self._fd = -1
        self._handlers: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup, 3: self._getattr, 4: self._setattr, 9: self._mkdir, 10: self._unlink, 11: self._rmdir,
            12: self._rename, 13: self._link, 14: self._open, 15: self._read, 16: self._write, 17: self._statfs,
            18: self._release, 20: self._fsync, 25: self._done, 26: self._init, 27: self._opendir, 28: self._readdir,
            29: self._done, 30: self._fsyncdir, 34: self._done, 35: self._create, 45: self._rename2,
        }  # fmt: skip

    def start(self, point: Path) -> None:
        """Mount it and serve it in another process, which ends with this one. Raises OSError where that is denied."""
        self.mount(point)
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            self.serve()
            os._exit(0)
        os.close(self._fd)

    def mount(self, point: Path) -> None:
        """Mount it; raises OSError where this process may not."""
        self._fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"localpair-test", os.fsencode(point), b"fuse", 0, options):
            number = ctypes.get_errno()
            raise OSError(number, f"mount: {os.strerror(number)}")

    def serve(self) -> None:
        """Answer the kernel until it unmounts."""
        while True:
            try:
                request = os.read(self._fd, _READ_BYTES + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                raise
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
        if opcode in _SILENT:
            return
        body, error = b"", 0
        try:
            handler = self._handlers.get(opcode)
            if handler is None:
                raise OSError(errno.ENOSYS, "not here")
            body = handler(node, request[_HEADER.size :])
        except OSError as refusal:
            error = refusal.errno or errno.EIO
        try:
            os.write(self._fd, _REPLY.pack(_REPLY.size + len(body), -error, unique) + body)
        except FileNotFoundError:
            pass  # the asking process was killed

    # --- nodes

    def _number(self, path: Path) -> int:
        if path not in self._numbers:
            self._numbers[path] = self._next
            self._paths[self._next] = path
            self._next += 1
        return self._numbers[path]

    def _child(self, node: int, name: bytes) -> Path:
        text = os.fsdecode(name.split(b"\0")[0])
        if len(os.fsencode(text)) > self._manners.name_bytes:
            raise OSError(errno.ENAMETOOLONG, "too long here")
        folder = self._paths[node]
        if self._manners.folds_case:
            for other in folder.iterdir():
                if other.name.casefold() == text.casefold():
                    return other
        return folder / text

    def _moved(self, old: Path, new: Path) -> None:
        self._numbers.pop(new, None)
        for path in [path for path in self._numbers if path == old or old in path.parents]:
            number = self._numbers.pop(path)
            there = new / path.relative_to(old)
            self._numbers[there] = number
            self._paths[number] = there

    def _attributes(self, path: Path) -> bytes:
        status = os.lstat(path)
        links = status.st_nlink if self._manners.links_told else 0
        number = status.st_ino if self._manners.steady else hash(path) & 0xFFFFFFFF
        times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        seconds, rests = zip(*(divmod(time, 10**9) for time in times), strict=True)
        return _ATTR.pack(
            number, status.st_size, status.st_blocks, *seconds, *rests,
            status.st_mode, links, status.st_uid, status.st_gid, 0, 4096, 0,
        )  # fmt: skip

    def _entry(self, path: Path) -> bytes:
        attributes = self._attributes(path)
        return struct.pack("<QQQQII", self._number(path), 0, 0, 0, 0, 0) + attributes

    # --- requests

    def _init(self, _: int, data: bytes) -> bytes:
        major, minor, ahead, _flags = struct.unpack_from("<IIII", data)
        return struct.pack(
            "<IIIIHHIIHHI28x", major, min(minor, 31), ahead, 32, 12, 9, 128 * 1024, 1, 32, 0, 0
        )

    def _done(self, _: int, _data: bytes) -> bytes:
        return b""

    def _lookup(self, node: int, data: bytes) -> bytes:
        return self._entry(self._child(node, data))

    def _getattr(self, node: int, _: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attributes(self._paths[node])

    def _setattr(self, node: int, data: bytes) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atimens, mtimens, _, mode = struct.unpack_from(
            "<IIQQQQQQIIII", data
        )
        path = self._paths[node]
        if valid & 1:
            if self._manners.chmod:
                raise OSError(self._manners.chmod, "no modes here")
            path.chmod(stat.S_IMODE(mode))
        if valid & 8:
            os.truncate(path, size)
        if valid & 32:
            os.utime(path, ns=(atime * 10**9 + atimens, mtime * 10**9 + mtimens))
        return self._getattr(node, b"")

    def _mkdir(self, node: int, data: bytes) -> bytes:
        mode, umask = struct.unpack_from("<II", data)
        path = self._child(node, data[8:])
        path.mkdir(mode & ~umask)
        return self._entry(path)

    def _unlink(self, node: int, data: bytes) -> bytes:
        path = self._child(node, data)
        path.unlink()
        self._numbers.pop(path, None)
        return b""

    def _rmdir(self, node: int, data: bytes) -> bytes:
        path = self._child(node, data)
        path.rmdir()
        self._numbers.pop(path, None)
        return b""

    def _rename(self, node: int, data: bytes) -> bytes:
        return self._rename_to(node, struct.unpack_from("<Q", data)[0], data[8:])

    def _rename2(self, node: int, data: bytes) -> bytes:
        folder, flags = struct.unpack_from("<QI", data)
        if flags and self._manners.rename_flags:
            raise OSError(self._manners.rename_flags, "no conditions here")
        return self._rename_to(node, folder, data[16:], exclusive=bool(flags & 1))

    def _rename_to(self, node: int, folder: int, names: bytes, *, exclusive: bool = False) -> bytes:
        old, new = names.split(b"\0")[:2]
        source, target = self._child(node, old), self._child(folder, new)
        if exclusive and target.exists():
            raise OSError(errno.EEXIST, "taken")
        source.rename(target)
        self._moved(source, target)
        return b""

    def _link(self, node: int, data: bytes) -> bytes:
        if self._manners.link:
            raise OSError(self._manners.link, "no links here")
        (old,) = struct.unpack_from("<Q", data)
        path = self._child(node, data[8:])
        os.link(self._paths[old], path)
        return self._entry(path)

    def _open(self, node: int, data: bytes) -> bytes:
        flags = struct.unpack_from("<I", data)[0] & ~(os.O_CREAT | os.O_EXCL)
        return struct.pack("<QII", os.open(self._paths[node], flags), 0, 0)

    def _create(self, node: int, data: bytes) -> bytes:
        flags, mode, umask, _ = struct.unpack_from("<IIII", data)
        path = self._child(node, data[16:])
        handle = os.open(path, flags | os.O_CREAT, mode & ~umask)
        return self._entry(path) + struct.pack("<QII", handle, 0, 0)

    def _read(self, _: int, data: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", data)
        return os.pread(handle, size, offset)

    def _write(self, _: int, data: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", data)
        return struct.pack("<II", os.pwrite(handle, data[40 : 40 + size], offset), 0)

    def _release(self, _: int, data: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", data)[0])
        return b""

    def _fsync(self, _: int, data: bytes) -> bytes:
        if self._manners.sync_file:
            raise OSError(self._manners.sync_file, "cannot flush")
        os.fsync(struct.unpack_from("<Q", data)[0])
        return b""

    def _fsyncdir(self, _: int, _data: bytes) -> bytes:
        if self._manners.sync_folder:
            raise OSError(self._manners.sync_folder, "cannot flush")
        return b""

    def _opendir(self, _: int, _data: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0)

    def _readdir(self, node: int, data: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", data)
        packed = b""
        for number, name in enumerate(sorted(path.name for path in self._paths[node].iterdir())):
            raw = os.fsencode(name)
            entry = struct.pack("<QQII", number + 2, number + 1, len(raw), 0) + raw
            entry += bytes(-len(entry) % 8)
            if len(packed) + len(entry) > size:
                break
            if number >= offset:
                packed += entry
        return packed

    def _statfs(self, _: int, _data: bytes) -> bytes:
        room = 1 << 20 if self._manners.blocks else 0
        return struct.pack(
            "<QQQQQIIII24x", room, room, room, room, room, 4096, self._manners.name_bytes, 4096, 0
        )
