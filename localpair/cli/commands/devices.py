"""``localpair devices``: what is kept about paired devices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from localpair.choices.rules import NO_RULE
from localpair.cli.commands import parts
from localpair.cli.files import prepare_folder
from localpair.cli.options.devices import RuleOptions
from localpair.cli.output import results
from localpair.cli.terminal.screen import rule_words
from localpair.cli.terminal.text import printable

if TYPE_CHECKING:
    from localpair.cli.context import Context
    from localpair.cli.options.devices import Devices
    from localpair.trust.store import DeviceRecord, TrustStore


async def run(command: Devices, context: Context) -> None:
    """List or change the devices. Raises UsageError for a device that is not there, StateError for the store."""
    store = context.api.TrustStore()
    talk = context.output.talk
    if command.action == "parts":
        parts.run(command, context, store)
        return
    if command.action == "list":
        records = store.devices()
        context.output.show_all([_fact(record) for record in records])
        if not records:
            talk.note("No device has been paired with this one.")
        return
    record = store.get(command.device)
    changed, said = _change(command, store, record)
    if context.output.json:
        context.output.show(_fact(changed, state="" if command.action == "rules" else said))
    talk.note(f"{printable(record.name, 64)} (device {record.device_id}): {said}.")


def _change(command: Devices, store: TrustStore, record: DeviceRecord) -> tuple[DeviceRecord, str]:
    """Do what was asked; the record afterwards and a word for what happened to it."""
    match command.action:
        case "rename":
            renamed = store.rename(record.device_id, command.name)
            return renamed, f"renamed to {printable(renamed.name, 64)}"
        case "rules":
            ruled = _ruled(command.rule, store, record)
            return ruled, rule_words(ruled.rule)
        case "revoke":
            store.revoke(record.device_id)
            return record, "revoked"
        case _:
            store.forget(record.device_id)
            return record, "forgotten"


def _ruled(change: RuleOptions, store: TrustStore, record: DeviceRecord) -> DeviceRecord:
    """Set what was given and leave the rest as it is. Raises UsageError or LocalError for a folder of no use."""
    if change == RuleOptions():
        return record
    rule = NO_RULE if change.reset else record.rule
    if change.receive is not None:
        prepare_folder(change.receive)
        rule = replace(rule, folder=str(change.receive.absolute()))
    if change.accept is not None:
        rule = replace(rule, accept=change.accept)
    if change.max_size is not None:
        rule = replace(rule, max_size=change.max_size)
    return store.set_rule(record.device_id, rule)


def _fact(record: DeviceRecord, state: str = "") -> results.TrustedDevice:
    return results.TrustedDevice(
        device_id=record.device_id,
        name=record.name,
        label=record.label,
        state=state or str(record.state),
        created=record.created,
        last_seen=record.last_seen,
        rule=record.rule,
    )
