"""A receiving process that is killed, and a disk that is really full."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from file_trees import Tree, harvest, kept_in, named, pair, parts_in, plant, transfer
from localpair.errors import TransferError
from localpair.net.transport.stream import open_stream
from localpair.net.transport.tls import server_context
from localpair.protocol.transfer.filenames import PART_PREFIX
from localpair.session import Session
from streams import certificate, new_session, run, until

RECEIVER = """
import asyncio, socket, sys
from pathlib import Path
from streams import new_session
from localpair.net.transport.stream import open_stream
from localpair.net.transport.tls import client_context

async def main():
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.setblocking(False)
    async with new_session(await open_stream(sock, client_context(), server_side=False, timeout=10)) as session:
        await session.receive_files(Path(sys.argv[2]))

asyncio.run(main())
"""


async def receiver_process(target: Path) -> tuple[subprocess.Popen[str], Session]:
    """Another process that receives into ``target``, and our session with it."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-W", "error", "-c", RECEIVER, str(theirs.fileno()), str(target)],
        pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    theirs.close()
    ours.setblocking(False)
    stream = await open_stream(ours, server_context(certificate()), server_side=True, timeout=20)
    return process, new_session(stream)


async def struck_down(source: Path, target: Path, blow: signal.Signals, after: int) -> subprocess.Popen[str]:
    """Send ``source`` to a process that gets the signal ``blow`` after so many bytes; it has ended then."""
    process, session = await receiver_process(target)
    async with session:
        sending = asyncio.create_task(session.send_files([source]))
        await until(lambda: session._supervisor._stream.sent >= after)
        process.send_signal(blow)
        with pytest.raises(TransferError):
            await sending
        await asyncio.to_thread(process.wait, 20)
    return process


FILES: Tree = {
    f"d/{number:02}": random.Random(number).randbytes(200_000 + 7 * number) for number in range(60)
}


@pytest.mark.parametrize("after", [100, 150_000, 1_000_000, 3_000_000, 6_000_000])
def test_a_killed_receiver_leaves_only_whole_files_and_the_next_one_tidies_up(
    source: Path, target: Path, after: int
) -> None:
    plant(source, FILES)

    async def main() -> None:
        process = await struck_down(source / "d", target, signal.SIGKILL, after)
        assert process.returncode == -signal.SIGKILL
        assert process.stderr is not None
        process.stderr.close()
        for name, data in harvest(target).items():
            if data is not None and not name.startswith(PART_PREFIX):
                assert data == FILES[name], f"{name} is not whole"
        async with pair() as (one, other):
            await transfer(one, other, [source / "d"], target)
        assert not parts_in(target)

    run(main())


def test_an_interrupted_receiver_leaves_nothing_half_written(source: Path, target: Path) -> None:
    big = plant(source, {"big": bytes(64 << 20)})

    async def main() -> None:
        process = await struck_down(big, target, signal.SIGINT, 3_000_000)
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        assert "KeyboardInterrupt" in said
        assert "never retrieved" not in said
        assert named(target) == {}
        assert [part.shown for part in kept_in(target)] == ["big"]

    run(main())


MOUNTED = """
import asyncio, subprocess, sys
from pathlib import Path
from streams import session_pair, run
from localpair.errors import LocalError, TransferError

async def main():
    one, other = await session_pair()
    async with one, other:
        sent, received = await asyncio.gather(
            one.send_files([Path(sys.argv[1])]), other.receive_files(Path(sys.argv[2])), return_exceptions=True
        )
        assert isinstance(sent, TransferError), repr(sent)
        assert isinstance(received, LocalError), repr(received)
        assert "No space left" in received.message, received.message
    assert all(path.stat().st_size == 50_000 for path in Path(sys.argv[2]).rglob("*") if path.is_file())
    print("as it should be")

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sys.argv[2]], check=True)
run(main())
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs mount namespaces")
def test_a_disk_that_is_really_full(source: Path, target: Path) -> None:
    plant(source, {f"d/{number}": bytes(50_000) for number in range(60)})
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", sys.executable, "-c", MOUNTED, source / "d", target],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"mount namespaces are refused: {done.stderr.strip()}")
    assert "as it should be" in done.stdout, done.stderr
