"""Records of paired devices for tests of the trust store, also in processes of their own."""

from __future__ import annotations

from dataclasses import replace

from localpair.keys import Role, device_id
from localpair.trust.store import DeviceRecord, TrustStore


def record(number: int = 1, **changes: object) -> DeviceRecord:
    key = bytes([number]) * 32
    plain = DeviceRecord(
        device_id(key), key, bytes([255 - number]) * 32, Role.ISSUER, label=f"device {number}"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def paired(store: TrustStore, number: int = 1, **changes: object) -> DeviceRecord:
    store.record_unconfirmed(record(number, **changes))
    return store.confirm(record(number).device_id)
