"""The trust store as a file: records, their JSON form, and a file that several processes read and write.

The form is append-only: a field that this version does not know, of the file or of a device, is written back as it
was found::

    {"version": 1, "generation": 3, "run": 1735689600, "devices": [{
      "device_id": "mfrggzdfmztwq2lk", "public_key": "<64 hex digits>", "pair_key": "<64 hex digits>",
      "role": "issuer", "label": "Ana's laptop", "alias": "", "state": "paired", "generation": 0,
      "addresses": [["192.168.1.20", 46821]], "heard": [0, 0, 0, 0],
      "accept": "ask", "receive_into": "", "max_size": null,
      "created": 1735689600.0, "last_seen": 1735689600.0}]}
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, normalise, why_never_dialled
from localpair.candidate import Candidate, Origin
from localpair.choices.rules import NO_RULE, Acceptance, DeviceRule
from localpair.dataclass import dataclass
from localpair.errors import StateError
from localpair.keys import Role, device_id
from localpair.limits import REMEMBERED_ADDRESSES, TRUST_BYTES
from localpair.names.labels import clean_label
from localpair.trust.marks import NOTHING_HEARD, Marks
from localpair.trust.state_folder import (
    locked,
    make_folder,
    read_private,
    remove_leftovers,
    set_aside,
    write_private,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_VERSION: Final = 1
_KEY_BYTES: Final = 32
# File systems keep times in steps of up to two seconds, and two writes within one step look alike.
_SETTLED_S: Final = 2.0


class DeviceState(StrEnum):
    """How far the trust in a device goes."""

    UNCONFIRMED = "unconfirmed"  # recorded here, not yet acknowledged by the peer
    PAIRED = "paired"
    REVOKED = "revoked"  # kept so that it can be refused by name


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What this device knows of another one it has paired with.

    ``public_key`` and ``pair_key`` have 32 bytes; ``role`` is this side's own part in the pairing; ``label`` is the
    peer's claim and ``alias`` the name given here. ``addresses`` are the last good ones, newest first, without
    scope. ``heard`` tells how far its beacons were heard (``trust.marks``). ``rule`` says what happens to files
    that it sends. ``created`` and ``last_seen`` are wall-clock seconds for people (0: never); nothing is decided by
    them. Raises ValueError where the parts do not fit together.
    """

    device_id: str
    public_key: bytes
    pair_key: bytes = field(repr=False)
    role: Role
    label: str = ""
    alias: str = ""
    state: DeviceState = DeviceState.UNCONFIRMED
    generation: int = 0
    addresses: tuple[Candidate, ...] = ()
    heard: Marks = NOTHING_HEARD
    rule: DeviceRule = NO_RULE
    created: float = 0.0
    last_seen: float = 0.0

    def __post_init__(self) -> None:
        if len(self.public_key) != _KEY_BYTES or len(self.pair_key) != _KEY_BYTES:
            raise ValueError("a key of a device has 32 bytes")
        if self.device_id != device_id(self.public_key):
            raise ValueError(f"{self.device_id!r} is not the id of this public key")
        object.__setattr__(self, "label", clean_label(self.label))
        object.__setattr__(self, "alias", clean_label(self.alias))
        object.__setattr__(self, "addresses", remembered(self.addresses))

    @property
    def name(self) -> str:
        """What to call the device on a screen."""
        return self.alias or self.label or self.device_id


def remembered(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates as they are kept: each target once, if it may be dialled on any network, without what holds for one
    network only.
    """
    kept: dict[tuple[object, int], Candidate] = {}
    for candidate in candidates:
        usable = candidate.cls is AddressClass.LOOPBACK or not why_never_dialled(candidate.address)
        if usable and 0 <= candidate.port <= 0xFFFF:
            plain = Candidate(candidate.address, candidate.port, origin=Origin.REMEMBERED)
            kept.setdefault((plain.address, plain.port), plain)
    return tuple(kept.values())[:REMEMBERED_ADDRESSES]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record and the fields of its JSON object that this version does not know."""

    record: DeviceRecord
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def pending(self) -> bool:
        """Whether the peer has yet to acknowledge it. A device can have a pair and a pending one beside it."""
        return self.record.state is DeviceState.UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Document:
    """The whole store. ``generation`` grows whenever a key comes or goes; ``run`` is the number of the latest run."""

    generation: int = 0
    run: int = 0
    entries: tuple[StoredRecord, ...] = ()
    unknown: Mapping[str, object] = field(default_factory=dict, repr=False)

    def find(self, identifier: str, *, pending: bool) -> DeviceRecord | None:
        """The pending record of a device, or the other one: a pair or a tombstone."""
        for entry in self.entries:
            if entry.record.device_id == identifier and entry.pending is pending:
                return entry.record
        return None

    def put(self, record: DeviceRecord) -> Document:
        """With ``record`` in place of the one of the same device and kind; unknown fields stay."""
        new = StoredRecord(record)
        return self._substitute(new, lambda entry: entry.pending is new.pending)

    def settle(self, record: DeviceRecord) -> Document:
        """With ``record`` in place of everything known of the device; unknown fields stay."""
        return self._substitute(StoredRecord(record), lambda _entry: True)

    def drop(self, identifier: str, *, pending: bool) -> Document:
        """Without the record of this device and kind."""
        kept = (e for e in self.entries if e.record.device_id != identifier or e.pending is not pending)
        return replace(self, entries=tuple(kept))

    def advanced(self) -> Document:
        """With the next generation."""
        return replace(self, generation=self.generation + 1)

    def _substitute(self, new: StoredRecord, replaced: Callable[[StoredRecord], bool]) -> Document:
        """``new`` where the first entry it replaces stood, else at the end."""
        entries: list[StoredRecord] = []
        unknown: dict[str, object] = {}
        place: int | None = None
        for entry in self.entries:
            if entry.record.device_id != new.record.device_id or not replaced(entry):
                entries.append(entry)
                continue
            place = len(entries) if place is None else place
            unknown.update(entry.unknown)
        entries.insert(len(entries) if place is None else place, StoredRecord(new.record, unknown))
        return replace(self, entries=tuple(entries))


class NewerFormatError(ValueError):
    """The file's version is beyond this program. It is not broken."""


def dump(document: Document) -> bytes:
    """The file's content. Readable by people, one device an object."""
    devices = [{**entry.unknown, **_to_json(entry.record)} for entry in document.entries]
    known = {
        "version": _VERSION, "generation": document.generation, "run": document.run, "devices": devices,
    }  # fmt: skip
    return (json.dumps({**document.unknown, **known}, indent=2) + "\n").encode("ascii")


def parse(data: bytes) -> Document:
    """The store in ``data``. Raises ValueError, whose text names the fault and never the content."""
    if len(data) > TRUST_BYTES:
        raise ValueError("it is larger than a store can be")
    decoded = _decode(data)
    version = decoded.pop("version", None)
    if type(version) is not int or version < 1:
        raise ValueError("it has no version")
    if version > _VERSION:
        raise NewerFormatError("it was written by a newer localpair")
    generation, devices = decoded.pop("generation", 0), decoded.pop("devices", None)
    run = decoded.pop("run", 0)
    if type(generation) is not int or type(run) is not int or not isinstance(devices, list):
        raise ValueError("it has no list of devices")
    return Document(
        generation, run, tuple(_entry(number, item) for number, item in enumerate(devices)), decoded
    )


def _decode(data: bytes) -> dict[str, object]:
    fault = "it is no JSON object"
    try:
        decoded = json.loads(data)
        if isinstance(decoded, dict):
            return decoded
    except json.JSONDecodeError as error:
        fault = f"it is no JSON from character {error.pos} on"
    except (ValueError, RecursionError):
        pass
    # Raised out here: the decoder's own error holds the whole text, and with it the keys.
    raise ValueError(fault)


def _entry(number: int, item: object) -> StoredRecord:
    if isinstance(item, dict):
        fields = dict(item)
        try:
            record = _from_json(fields)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            pass  # their texts quote the values
        else:
            return StoredRecord(record, fields)
    raise ValueError(f"its device number {number + 1} cannot be read")


def _to_json(record: DeviceRecord) -> dict[str, object]:
    return {
        "device_id": record.device_id,
        "public_key": record.public_key.hex(),
        "pair_key": record.pair_key.hex(),
        "role": record.role.value,
        "label": record.label,
        "alias": record.alias,
        "state": record.state.value,
        "generation": record.generation,
        "addresses": [[str(candidate.address), candidate.port] for candidate in record.addresses],
        "heard": list(record.heard),
        "accept": record.rule.accept.value,
        "receive_into": record.rule.folder,
        "max_size": record.rule.max_size,
        "created": record.created,
        "last_seen": record.last_seen,
    }


def _from_json(fields: dict[str, object]) -> DeviceRecord:
    """Take the known fields out of ``fields``; what is left is unknown."""
    addresses = fields.pop("addresses", [])
    if not isinstance(addresses, list):
        raise TypeError
    return DeviceRecord(
        device_id=_text(fields.pop("device_id")),
        public_key=bytes.fromhex(_text(fields.pop("public_key"))),
        pair_key=bytes.fromhex(_text(fields.pop("pair_key"))),
        role=Role(_text(fields.pop("role"))),
        label=_text(fields.pop("label", "")),
        alias=_text(fields.pop("alias", "")),
        state=DeviceState(_text(fields.pop("state"))),
        generation=int(_number(fields.pop("generation", 0))),
        addresses=tuple(Candidate(normalise(_text(host)), int(port)) for host, port in addresses),
        heard=_marks(fields.pop("heard", [])),
        rule=_rule(fields),
        created=_number(fields.pop("created", 0.0)),
        last_seen=_number(fields.pop("last_seen", 0.0)),
    )


def _marks(value: object) -> Marks:
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise TypeError
    return tuple(one for one, _ in zip((*value, *NOTHING_HEARD), NOTHING_HEARD, strict=False))


def _rule(fields: dict[str, object]) -> DeviceRule:
    max_size = fields.pop("max_size", None)
    if max_size is not None and type(max_size) is not int:
        raise TypeError
    return DeviceRule(
        Acceptance(_text(fields.pop("accept", Acceptance.ASK.value))),
        _text(fields.pop("receive_into", "")),
        max_size,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError
    return float(value)


class TrustFile:
    """The store's file: read as often as one likes, changed under the folder's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cached: tuple[tuple[int, int, int, int], Document] | None = None

    def read(self) -> Document:
        """What the file holds now. Parsed again only where it has changed. Raises StateError."""
        signature = self._signature()
        cached = self._cached
        if cached is not None and cached[0] == signature:
            return cached[1]
        try:
            document = self._load()
        except NewerFormatError as error:
            raise self._too_new() from error
        except ValueError:
            document = self._read_again()
        self._remember(signature, document)
        return document

    def edit(self, change: Callable[[Document], Document]) -> Document:
        """Replace the document by ``change(document)``, with no other writer in between. Raises StateError.

        Whatever ``change`` raises passes through; nothing is written then, nor where nothing changed.
        """
        make_folder(self.path.parent)
        with locked(self.path.parent) as alone:
            if alone:
                remove_leftovers(self.path)
            before = self._load_locked()
            after = change(before)
            if after != before:
                write_private(self.path, dump(after))
            return after

    def _load(self) -> Document:
        data = read_private(self.path, TRUST_BYTES)
        return Document() if data is None else parse(data)

    def _load_locked(self) -> Document:
        """``_load`` for the lock's holder, who may move a broken file aside."""
        try:
            return self._load()
        except NewerFormatError as error:
            raise self._too_new() from error
        except ValueError as error:
            fault = str(error)
        kept = set_aside(self.path)
        where = f"kept as {kept}" if kept is not None else "left where it is"
        raise StateError(
            f"the list of paired devices in {self.path} is broken ({fault}); it was {where}",
            hint=f"repair it and move it back to {self.path}, or pair the devices again",
        )

    def _read_again(self) -> Document:
        with locked(self.path.parent):
            return self._load_locked()

    def _too_new(self) -> StateError:
        return StateError(
            f"the list of paired devices in {self.path} was written by a newer localpair",
            hint="update localpair on this device",
        )

    def _signature(self) -> tuple[int, int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)

    def _remember(self, signature: tuple[int, int, int, int] | None, document: Document) -> None:
        """Keep what was read, unless the file is so young that a later write could look the same."""
        settled = signature is not None and abs(time.time() - signature[0] / 1e9) > _SETTLED_S
        self._cached = (signature, document) if signature is not None and settled else None
