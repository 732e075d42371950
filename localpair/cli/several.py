"""``send`` to several devices: each has its own search and session, and one that fails ends alone."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Final

from localpair.cli.output import results
from localpair.cli.output.failures import RunFailedError, explain
from localpair.cli.terminal.messages import debugging
from localpair.cli.terminal.screen import device
from localpair.cli.terminal.text import count
from localpair.dataclass import dataclass
from localpair.events import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from localpair.cli.output.output import Output
    from localpair.cli.terminal.messages import Talk
    from localpair.trust.store import DeviceRecord, TrustStore

AT_ONCE: Final = 4  # searches beside each other: each announces itself and listens on a port of its own
_MIXED_CODE: Final = 5  # where devices failed for several reasons


def chosen(words: Iterable[str], store: TrustStore, talk: Talk) -> list[DeviceRecord]:
    """The devices that are meant, each once. Raises UsageError for a word that is none."""
    found: dict[str, DeviceRecord] = {}
    for word in words:
        record = store.get(word)
        if record.device_id in found:
            talk.note(f"{device(_peer(record))} was named twice; it is sent everything once.")
        found.setdefault(record.device_id, record)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class DeviceOutput:
    """Where what happens with one of several devices is shown."""

    peer: Peer
    output: Output

    def show(self, item: results.Item) -> None:
        """Show one item as this device's."""
        about = item.item if isinstance(item, results.About) else item
        self.output.show(results.About(self.peer, about, named=True))


async def each(
    records: Sequence[DeviceRecord],
    give: Callable[[DeviceRecord, DeviceOutput], Awaitable[None]],
    output: Output,
    at_once: int = AT_ONCE,
) -> None:
    """Call ``give`` for each device, so many at a time. Raises RunFailedError where one of them failed."""
    turn = asyncio.Semaphore(at_once)
    failures: dict[str, results.RunFailure] = {}

    async def one(record: DeviceRecord) -> None:
        shown = DeviceOutput(_peer(record), output)
        failure = None
        async with turn:
            try:
                await give(record, shown)
            except Exception as error:  # noqa: BLE001 - said, and counted at the end
                if debugging():
                    traceback.print_exception(error)
                failure = failures[record.device_id] = explain(error)
        output.show(results.Delivered(shown.peer, failure))

    async with asyncio.TaskGroup() as tasks:
        for record in records:
            tasks.create_task(one(record))
    if failures:
        missed = [device(_peer(record)) for record in records if record.device_id in failures]
        raise RunFailedError(_together(missed, list(failures.values()), len(records)))


def _together(
    missed: Sequence[str], failures: Sequence[results.RunFailure], total: int
) -> results.RunFailure:
    codes = {failure.exit_code for failure in failures}
    code = codes.pop() if len(codes) == 1 else _MIXED_CODE
    message = f"{len(missed)} of {count(total, 'device')} did not get everything: {', '.join(missed)}"
    return results.RunFailure("devices", message, "What each of them said stands above.", code)


def _peer(record: DeviceRecord) -> Peer:
    return Peer(record.device_id, record.name)
