"""The devices this one has paired with, and its own long-term key: durable, private, shared by processes."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpair.errors import Refusal, RefusedError, StateError, UsageError
from localpair.keys import DeviceIdentity, Role
from localpair.names.labels import better_label, clean_label
from localpair.trust.file import DeviceRecord, DeviceState, Document, TrustFile, remembered
from localpair.trust.folders import known_folders, note_folder
from localpair.trust.marks import raised
from localpair.trust.offers import earlier_offers, note_offer
from localpair.trust.state_folder import (
    create_private,
    locked,
    make_folder,
    read_private,
    remove_leftovers,
    state_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from localpair.candidate import Candidate
    from localpair.choices.rules import DeviceRule
    from localpair.trust.marks import Marks

__all__ = ["DeviceRecord", "DeviceState", "Role", "TrustStore"]

log = logging.getLogger(__name__)

KEY_FILE: Final = "device.key"
TRUST_FILE: Final = "trust.json"
_KEY_BYTES: Final = 32
_LAST_RUN: Final = 2**32 - 1


class TrustStore:
    """Paired devices and the device's own key, in one folder.

    Every method reads what is on disk now, so that a change made by another process counts at once; an unchanged
    file costs one ``stat``. Methods block for the time of a small file's write; each may raise StateError.
    ``device_id`` arguments are whole ids: ``get`` turns what a person typed into one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = state_path() if folder is None else folder
        self._file = TrustFile(self.folder / TRUST_FILE)

    def identity(self) -> bytes:
        """The private Ed25519 key of this device, 32 raw bytes, made on first use.

        Raises StateError where the key file holds no key; the file is left as it is.
        """
        raw = _read_key(self.folder / KEY_FILE)
        return self._make_identity() if raw is None else raw

    def devices(self) -> tuple[DeviceRecord, ...]:
        """One record for each device, in the order of pairing: the pair or the tombstone, else what is pending."""
        records: dict[str, DeviceRecord] = {}
        for entry in self._file.read().entries:
            known = records.get(entry.record.device_id)
            if known is None or known.state is DeviceState.UNCONFIRMED:
                records[entry.record.device_id] = entry.record
        return tuple(records.values())

    def unconfirmed(self) -> tuple[DeviceRecord, ...]:
        """The records whose peer has not acknowledged them: a peer that proves such a key has."""
        return tuple(entry.record for entry in self._file.read().entries if entry.pending)

    def find(self, device_id: str) -> DeviceRecord | None:
        """The record of this very device as ``devices`` shows it, None where there is none."""
        document = self._file.read()
        return document.find(device_id, pending=False) or document.find(device_id, pending=True)

    def get(self, name: str) -> DeviceRecord:
        """The device a person means by a whole id, a name, or the unique beginning of an id.

        Raises UsageError where there is none, or several: the message lists them.
        """
        found = _meant(name, self.devices())
        if len(found) == 1:
            return found[0]
        shown = clean_label(name)
        if not found:
            raise UsageError(f"no paired device is called {shown!r}", hint="`localpair devices` lists them")
        listing = ", ".join(f"{record.name} ({record.device_id})" for record in found)
        raise UsageError(f"{shown!r} could be any of: {listing}", hint="use the id, or more of it")

    def folders(self) -> list[Path]:
        """The folders that this device has received into, the latest first."""
        return known_folders(self.folder)

    def note_folder(self, folder: Path) -> None:
        """This device receives into ``folder`` now."""
        note_folder(self.folder, folder)

    def earlier_offers(self) -> list[bytes]:
        """The mark keys of this device's latest offers, the latest first."""
        return earlier_offers(self.folder)

    def note_offer(self, mark_key: bytes) -> None:
        """This device shows an offer with this mark key now."""
        note_offer(self.folder, mark_key)

    @property
    def generation(self) -> int:
        """A number that grows whenever a key comes or goes: pending, paired, revoked, forgotten; in any process."""
        return self._file.read().generation

    def is_revoked(self, device_id: str) -> bool:
        """Whether the device has been revoked by now. Cheap enough for every message of a live session."""
        record = self._file.read().find(device_id, pending=False)
        return record is not None and record.state is DeviceState.REVOKED

    def record_unconfirmed(self, record: DeviceRecord) -> None:
        """Keep a new pair before the peer has acknowledged it. A pair that stands with the device stays beside it.

        Raises RefusedError for a revoked device.
        """
        pending = replace(record, state=DeviceState.UNCONFIRMED, created=record.created or time.time())

        def change(document: Document) -> Document:
            _refuse_revoked(document, record.device_id)
            return document.put(pending).advanced()

        self._file.edit(change)

    def confirm(self, device_id: str) -> DeviceRecord:
        """The peer has acknowledged: what was pending becomes the pair, in place of an earlier one. Repeatable.

        Raises RefusedError where the device was revoked or forgotten meanwhile.
        """
        document = self._file.edit(lambda document: _confirmed(document, device_id))
        record = document.find(device_id, pending=False)
        if record is None:
            raise RefusedError(Refusal.UNKNOWN_DEVICE, "the device was forgotten while it was being paired")
        return record

    def drop_unconfirmed(self, device_id: str) -> None:
        """Undo ``record_unconfirmed``. A pair that stood before stands on."""

        def change(document: Document) -> Document:
            dropped = document.drop(device_id, pending=True)
            return document if dropped == document else dropped.advanced()

        self._file.edit(change)

    def rename(self, device_id: str, alias: str) -> DeviceRecord:
        """Give a device a name of one's own; an empty one brings the peer's label back. Raises UsageError."""
        name = clean_label(alias)

        def change(document: Document) -> Document:
            record = _require(document, device_id)
            _refuse_taken(document, device_id, name)
            pending = document.find(device_id, pending=True)
            if pending is not None:
                document = document.put(replace(pending, alias=name))
            return document.put(replace(record, alias=name))

        return _require(self._file.edit(change), device_id)

    def set_rule(self, device_id: str, rule: DeviceRule) -> DeviceRecord:
        """Decide what happens from now on to files that a device sends, until it is forgotten. Raises UsageError."""

        def change(document: Document) -> Document:
            record = _require(document, device_id)
            pending = document.find(device_id, pending=True)
            if pending is not None:
                document = document.put(replace(pending, rule=rule))
            return document.put(replace(record, rule=rule))

        return _require(self._file.edit(change), device_id)

    def forget(self, device_id: str) -> None:
        """Remove all that is known of a device, keys included: it is a stranger from now on. Raises UsageError."""

        def change(document: Document) -> Document:
            _require(document, device_id)
            return document.drop(device_id, pending=True).drop(device_id, pending=False).advanced()

        self._file.edit(change)

    def revoke(self, device_id: str) -> None:
        """Refuse a device from now on, live sessions included, until it is forgotten. Raises UsageError."""

        def change(document: Document) -> Document:
            record = _require(document, device_id)
            revoked = replace(record, state=DeviceState.REVOKED)
            return document.drop(device_id, pending=True).put(revoked).advanced()

        self._file.edit(change)

    def next_run(self) -> int:
        """The number of the run that begins now: higher than that of every run before, in whatever process.

        The clock keeps it so where an older copy of the store was put back, and decides nothing else.
        """
        clock = max(0, min(int(time.time()), _LAST_RUN // 2))
        return self._file.edit(lambda document: replace(document, run=max(document.run + 1, clock))).run

    def note_heard(self, heard: Mapping[str, Marks]) -> None:
        """Remember how far the beacons of these devices have been heard. Nothing where one is not paired."""

        def change(document: Document) -> Document:
            for device_id, marks in heard.items():
                record = document.find(device_id, pending=False)
                if record is not None:
                    document = document.put(replace(record, heard=raised(record.heard, marks)))
            return document

        self._file.edit(change)

    def touch(self, device_id: str, addresses: Iterable[Candidate] = ()) -> None:
        """Remember that the device was met just now, at these addresses. Nothing where it is not paired."""
        new = tuple(addresses)

        def change(document: Document) -> Document:
            record = document.find(device_id, pending=False)
            if record is None or record.state is not DeviceState.PAIRED:
                return document
            merged = remembered((*new, *record.addresses))
            return document.put(replace(record, addresses=merged, last_seen=time.time()))

        self._file.edit(change)

    def _make_identity(self) -> bytes:
        """Make the key, once: whoever comes second reads what the first one wrote."""
        path = self.folder / KEY_FILE
        make_folder(self.folder)
        with locked(self.folder) as alone:
            if alone:
                remove_leftovers(path)
            raw = _read_key(path)
            if raw is None:
                self._warn_of_lost_key(path)
                made = DeviceIdentity.generate().private_bytes()
                raw = made if create_private(path, made) else _read_key(path)
        if raw is None:
            raise StateError(f"the key file {path} vanished while it was made", hint="try again")
        return raw

    def _warn_of_lost_key(self, path: Path) -> None:
        if self._file.path.exists():
            log.warning("%s was missing: a new key is made, and every device has to be paired again", path)


def _read_key(path: Path) -> bytes | None:
    """The key in ``path``, None where there is no file. Raises StateError for anything that is no key."""
    raw = read_private(path, _KEY_BYTES)
    if raw is None:
        return None
    # All zeros is what some file systems leave of a file after a power cut.
    if len(raw) != _KEY_BYTES or not any(raw):
        raise StateError(
            f"{path} does not hold a device key",
            hint="put a backup of it back, or move it away to get a new key and pair the devices again",
        )
    return raw


def _meant(name: str, records: tuple[DeviceRecord, ...]) -> tuple[DeviceRecord, ...]:
    """Whom ``name`` could mean: a whole id beats a name, a name beats the beginning of an id."""
    wanted = name.strip().lower()
    exact = tuple(record for record in records if record.device_id == wanted)
    beginning = tuple(record for record in records if wanted and record.device_id.startswith(wanted))
    return exact or _called(name, records) or beginning


def _called(name: str, records: Iterable[DeviceRecord]) -> tuple[DeviceRecord, ...]:
    wanted = clean_label(name).casefold()
    return tuple(record for record in records if wanted and record.name.casefold() == wanted)


def _require(document: Document, device_id: str) -> DeviceRecord:
    """The record that stands, else the pending one. Raises UsageError where there is neither."""
    record = document.find(device_id, pending=False) or document.find(device_id, pending=True)
    if record is None:
        raise UsageError(f"no paired device has the id {clean_label(device_id)!r}")
    return record


def _refuse_taken(document: Document, device_id: str, name: str) -> None:
    others = (entry.record for entry in document.entries if entry.record.device_id != device_id)
    if _called(name, others):
        raise UsageError(f"another device is called {name!r} already", hint="choose another name")


def _refuse_revoked(document: Document, device_id: str) -> None:
    record = document.find(device_id, pending=False)
    if record is not None and record.state is DeviceState.REVOKED:
        raise RefusedError(
            Refusal.REVOKED,
            f"the device {record.name} was revoked",
            hint=f"to pair with it again, forget it first: localpair devices forget {device_id}",
        )


def _confirmed(document: Document, device_id: str) -> Document:
    _refuse_revoked(document, device_id)
    pending = document.find(device_id, pending=True)
    if pending is None:
        return document
    pair = replace(pending, state=DeviceState.PAIRED, last_seen=time.time())
    earlier = document.find(device_id, pending=False)
    if earlier is not None:
        known = (*pending.addresses, *earlier.addresses)
        label = better_label(pending.label, earlier.label)
        pair = replace(
            pair,
            label=label,
            alias=pending.alias or earlier.alias,
            addresses=remembered(known),
            rule=earlier.rule,  # the device is the same: a refusal must not end by pairing anew
        )
    return document.settle(pair).advanced()
