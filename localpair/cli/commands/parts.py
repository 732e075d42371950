"""``localpair devices parts``: what is kept of files that did not arrive whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.cli.output import results
from localpair.cli.terminal.text import count, printable, size
from localpair.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.cli.context import Context
    from localpair.cli.options.devices import Devices
    from localpair.transfer.folder.housekeeping import KeptPart
    from localpair.trust.store import DeviceRecord, TrustStore


def run(command: Devices, context: Context, store: TrustStore) -> None:
    """List the parts, or remove them. Raises UsageError for a device that is not there."""
    devices = [store.get(command.device)] if command.device else list(store.devices())
    listed: list[results.ListedPart] = []
    for folder in store.folders():
        found = _parts_in(folder, context)
        overdue = context.api.overdue_parts(found)
        if command.device:
            found = [part for part in found if _sender(part, devices) is not None]
        unwanted = found if command.remove else [part for part in found if part in overdue]
        removed = context.api.remove_parts(folder, unwanted) if unwanted else []
        listed += [
            _fact(part, folder, _sender(part, devices), _state(part, unwanted, removed)) for part in found
        ]
    context.output.show_all(listed)
    _sum_up(listed, context)


def _parts_in(folder: Path, context: Context) -> list[KeptPart]:
    """A folder that is gone, or not there at the moment, holds up nobody."""
    try:
        return context.api.kept_parts(folder)
    except LocalError as error:
        if folder.exists():
            context.output.talk.warning(printable(error.message, 300))
        return []


def _state(part: KeptPart, unwanted: list[KeptPart], removed: list[KeptPart]) -> str:
    if part in removed:
        return "removed"
    return "in use" if part in unwanted else "kept"


def _sender(part: KeptPart, devices: list[DeviceRecord]) -> DeviceRecord | None:
    return next((one for one in devices if part.is_from(one.device_id)), None)


def _fact(part: KeptPart, folder: Path, sender: DeviceRecord | None, state: str) -> results.ListedPart:
    device_id, name = (sender.device_id, sender.name) if sender is not None else ("", "")
    return results.ListedPart(
        part.shown, part.bytes, part.key.size, device_id, name, folder, part.changed, state
    )


def _sum_up(listed: list[results.ListedPart], context: Context) -> None:
    talk = context.output.talk
    removed = [part for part in listed if part.state == "removed"]
    if not listed:
        talk.note("No file is waiting for its rest.")
    elif removed:
        talk.note(f"Removed {count(len(removed), 'part')}, {size(sum(part.bytes for part in removed))}.")
    if any(part.state == "in use" for part in listed):
        talk.note("What is in use stays: a transfer writes to it.")
