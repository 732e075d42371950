"""Processes that write the trust store at once, and one that is killed."""

from __future__ import annotations

from pathlib import Path

from localpair.trust.store import DeviceState, TrustStore
from trust_files import TESTS_ON_PATH, finish, posix_only, python
from trust_records import paired, record

WRITE = """
import sys
from pathlib import Path
from trust_records import paired, record
from localpair.trust.store import TrustStore
store = TrustStore(Path(sys.argv[1]))
first = int(sys.argv[2])
for number in range(first, first + 6):
    paired(store, number)
"""


def test_processes_that_write_at_once_lose_nothing(folder: Path, store: TrustStore) -> None:
    writers = [python(WRITE, str(folder), str(first), env=TESTS_ON_PATH) for first in (10, 20, 30, 40)]
    for writer in writers:
        finish(writer)
    wanted = {record(first + step).device_id for first in (10, 20, 30, 40) for step in range(6)}
    assert {device.device_id for device in store.devices()} == wanted
    assert {device.state for device in store.devices()} == {DeviceState.PAIRED}
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]


TOUCH = """
import sys
from pathlib import Path
from trust_records import record
from localpair.trust.store import TrustStore
store = TrustStore(Path(sys.argv[1]))
while True:
    store.touch(record().device_id)
    print("touched", flush=True)
"""


@posix_only
def test_killing_a_writer_at_any_moment_leaves_a_whole_store(folder: Path, store: TrustStore) -> None:
    device = paired(store)
    for _ in range(5):
        writer = python(TOUCH, str(folder), env=TESTS_ON_PATH)
        assert writer.stdout is not None
        for _ in range(3):
            assert writer.stdout.readline() == "touched\n"
        writer.kill()
        writer.communicate()
        assert store.get(device.device_id).pair_key == device.pair_key
    (folder / ".trust.json.0123456789abcdef.tmp").write_bytes(b"half")
    store.touch(device.device_id)
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "trust.json"]
