"""Receivers that are killed at every step of storing: never a wrong byte under a final name, and nothing is left.

``LOCALPAIR_KILLS=1000 pytest tests/test_killed.py`` kills whole receivers that often.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import places
from killing import faults
from localpair.errors import TransferError
from localpair.limits import SMALL_FILE_BYTES
from localpair.net.transport.stream import open_stream
from localpair.net.transport.tls import server_context
from localpair.transfer.folder import placing
from streams import certificate, new_session, run

KILLS = int(os.environ.get("LOCALPAIR_KILLS", "12"))
CALLS = 400  # about as many as storing TREE takes
PROGRAM = places.SUPPORT / "killing.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
TREE = {
    **{f"d/{number}.txt": random.Random(number).randbytes(50 * number) for number in range(12)},
    "d/large.bin": random.Random(50).randbytes(20 * SMALL_FILE_BYTES),
    "d/e/large.bin": random.Random(51).randbytes(5 * SMALL_FILE_BYTES),
}


@pytest.mark.parametrize("way", [way.__name__ for way in placing.WAYS])
def test_no_step_leaves_a_wrong_file_or_a_part_that_stays(way: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "steps", way, tmp_path],
        capture_output=True, text=True, timeout=100, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["faults"] == []
    assert outcome["ended"] == 0, done.stderr
    assert outcome["calls"] > 50


async def struck(source: Path, target: Path, call: int) -> int:
    """Send to a process that is killed before this call; its exit code."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, PROGRAM, "receive", str(theirs.fileno()), target, str(call)],
        pass_fds=[theirs.fileno()], env=ENVIRONMENT,
    )  # fmt: skip
    theirs.close()
    ours.setblocking(False)
    stream = await open_stream(ours, server_context(certificate()), server_side=True, timeout=20)
    async with new_session(stream) as session:
        try:
            await session.send_files([source])
        except TransferError:
            pass  # it was killed
    return await asyncio.to_thread(process.wait, 20)


@pytest.mark.timeout(30 + 3 * KILLS)
def test_receivers_killed_anywhere_leave_whole_files_only(tmp_path: Path) -> None:
    for name, data in TREE.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    seed = random.Random(os.environ.get("LOCALPAIR_KILLS_SEED", "1"))
    deaths, found = 0, []
    for number in range(KILLS):
        target = tmp_path / f"target{number}"
        target.mkdir()
        call = seed.randrange(CALLS)
        code = run(struck(tmp_path / "source" / "d", target, call))
        assert code in {0, -signal.SIGKILL}
        deaths += code != 0
        found += [f"call {call}: {fault}" for fault in faults(target, TREE, {})]
    assert found == []
    assert deaths > KILLS // 2
