"""Receiving into real file systems, mounted where this machine can, and into one that answers as odd ones do."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import places
from fusefs import Refusals
from targets import CHANGE, FUSE, KINDS

pytestmark = pytest.mark.skipif(shutil.which("unshare") is None, reason="needs mount namespaces")

SMALL, LARGE = b"hello", random.Random(7).randbytes(300_000)


def receive_into(kind: str, folder: Path) -> dict[str, Any]:
    """Send the tree in ``folder / "source"`` twice; skips where this machine cannot mount the target."""
    # With a process namespace of their own, the programs behind the mounts end with the test.
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        namespace.append("--map-root-user")
    done = subprocess.run(
        [*namespace, sys.executable, places.SUPPORT / "targets.py", kind, folder],
        capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    if "unshare:" in done.stderr:
        pytest.skip(f"mount namespaces are refused: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    if "cannot" in outcome:
        pytest.skip(f"{kind} cannot be mounted here: {outcome['cannot']}")
    return outcome


@pytest.mark.parametrize("kind", KINDS)
def test_files_arrive_whole_and_nothing_is_replaced(kind: str, tmp_path: Path) -> None:
    (tmp_path / "source" / "d").mkdir(parents=True)
    for name, data in (("small.txt", SMALL), ("large.bin", LARGE), ("d/small.txt", SMALL), ("d/empty", b"")):
        (tmp_path / "source" / name).write_bytes(data)
    outcome = receive_into(kind, tmp_path)
    small, large, empty = (hashlib.sha256(data).hexdigest() for data in (SMALL, LARGE, b""))
    first = {"small.txt": small, "large.bin": large, "d/small.txt": small, "d/empty": empty}
    small, large, empty = (hashlib.sha256(data + CHANGE).hexdigest() for data in (SMALL, LARGE, b""))
    second = {"small (1).txt": small, "large (1).bin": large}
    merged = {"d/small (1).txt": small, "d/empty (1)": empty}  # where it is known who sent the folder
    beside = {"d (1)/small.txt": small, "d (1)/empty": empty}
    assert outcome["errors"] == [[], []]
    assert outcome["told"] == outcome["found"]
    assert outcome["found"] in ({**first, **second, **merged}, {**first, **second, **beside})
    refusals = FUSE.get(kind.removeprefix("fuse-"), Refusals())
    assert len(outcome["warnings"]) == (2 if refusals.sync_folder else 0), outcome["warnings"]
    assert all("may not survive a power cut" in warning for warning in outcome["warnings"])
